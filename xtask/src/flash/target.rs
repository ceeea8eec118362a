//! Where `cargo xtask flash --to` puts things.

use std::fmt::{self, Display};
use std::path::PathBuf;
use std::str::FromStr;

/// A way to the board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A file with what a card has.
    Image(PathBuf),
    /// A card, as the kernel shows it.
    Disk(PathBuf),
    /// A folder that a TFTP server serves.
    Tftp(PathBuf),
    /// The board's serial port, at U-Boot's prompt.
    Serial(PathBuf),
    /// The board's debug port, by OpenOCD.
    Jtag,
}

impl Display for Target {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image(path) | Self::Disk(path) => write!(to, "{}", path.display()),
            Self::Tftp(folder) => write!(to, "tftp:{}", folder.display()),
            Self::Serial(port) => write!(to, "serial:{}", port.display()),
            Self::Jtag => write!(to, "jtag"),
        }
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let path = |text: &str| {
            (!text.is_empty())
                .then(|| PathBuf::from(text))
                .ok_or_else(|| {
                    "there is nothing after the colon: serial:/dev/ttyUSB0, tftp:/srv/tftp"
                        .to_owned()
                })
        };
        match text.split_once(':') {
            Some(("serial", port)) => Ok(Self::Serial(path(port)?)),
            Some(("tftp", folder)) => Ok(Self::Tftp(path(folder)?)),
            _ if text == "jtag" => Ok(Self::Jtag),
            _ if text.starts_with("/dev/") => Ok(Self::Disk(text.into())),
            _ if text.ends_with(".img") => Ok(Self::Image(text.into())),
            _ => Err(
                "a target is FILE.img, /dev/sdX, jtag, serial:/dev/ttyUSB0 or tftp:DIR".to_owned(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_told_apart() {
        let cases = [
            ("target/card.img", Target::Image("target/card.img".into())),
            ("/dev/sdb", Target::Disk("/dev/sdb".into())),
            ("/dev/mmcblk0", Target::Disk("/dev/mmcblk0".into())),
            ("jtag", Target::Jtag),
            ("serial:/dev/ttyUSB1", Target::Serial("/dev/ttyUSB1".into())),
            ("tftp:/srv/tftp", Target::Tftp("/srv/tftp".into())),
        ];
        for (text, target) in cases {
            assert_eq!(target.to_string(), text);
            assert_eq!(text.parse(), Ok(target));
        }
        for text in ["", "notes.txt", "serial:", "tftp:", "usb:1"] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
    }
}
