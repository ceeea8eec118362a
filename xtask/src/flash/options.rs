//! How one wants something flashed, and what of it cannot work whatever is built.

use std::fs;
use std::path::PathBuf;

use anyhow::{Result, bail};

use super::boot_bin::Firmware;
use super::disk::Disk;
use super::target::Target;
use crate::board::Board;
use crate::tools::{BOOTGEN, MKIMAGE, OPENOCD, SB, Tool};

/// How to go about it.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// FILE.img, /dev/sdX, jtag, serial:/dev/ttyUSB0 or tftp:DIR.
    #[arg(long, value_name = "TARGET")]
    pub(crate) to: Target,
    #[command(flatten)]
    pub(super) firmware: Firmware,
    /// Say what would be done, and do not do it.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Overwrite the disk without asking.
    #[arg(long)]
    pub(super) yes: bool,
    /// Take a disk that cannot be taken out, or is large. Never one that is in use.
    #[arg(long)]
    pub(super) force: bool,
    /// With jtag: the board's console, to start what was loaded and to show what it says.
    #[arg(long, value_name = "PORT")]
    pub(super) console: Option<PathBuf>,
    /// What is done as one JSON object, and lines of a run as one each.
    #[arg(long)]
    pub(crate) json: bool,
    /// Nobody reads the report.
    #[arg(skip)]
    pub(super) quiet: bool,
}

impl Options {
    /// To do it without a word.
    pub(crate) fn quiet(to: Target) -> Self {
        Self {
            to,
            firmware: Firmware::default(),
            dry_run: false,
            yes: true,
            force: false,
            console: None,
            json: false,
            quiet: true,
        }
    }

    /// Refuses what cannot work, before anything is built.
    pub(crate) fn check(&self, board: &Board) -> Result<()> {
        match &self.to {
            Target::Image(path) => {
                let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
                if folder.is_some_and(|it| !it.is_dir()) {
                    bail!("there is no folder for {}: make it first", path.display());
                }
                if fs::metadata(path).is_ok_and(|it| !it.is_file()) {
                    bail!(
                        "{} is no file: a disk is named by its path in /dev",
                        path.display()
                    );
                }
                Ok(())
            }
            // Whatever is to be written has some bytes.
            Target::Disk(path) => Disk::at(path)?.check(1, self.force),
            Target::Tftp(folder) if !folder.is_dir() => {
                bail!(
                    "there is no folder {}: name the one that your TFTP server serves",
                    folder.display()
                )
            }
            Target::Serial(port) if !port.exists() => {
                bail!(
                    "there is no {}: is the cable in? `ls /dev/ttyUSB* /dev/ttyACM*`",
                    port.display()
                )
            }
            Target::Jtag if board.flash.openocd.is_empty() => bail!(
                "board {} has no debug port that is known: openocd in its board.toml",
                board.name
            ),
            Target::Tftp(_) | Target::Serial(_) | Target::Jtag => Ok(()),
        }
    }

    /// Debian's tools that it takes.
    pub(crate) fn tools(&self) -> Vec<Tool> {
        let mut tools = vec![MKIMAGE];
        if self.firmware.wants_bootgen() {
            tools.push(BOOTGEN);
        }
        match (&self.to, self.dry_run) {
            (Target::Jtag, false) => tools.push(OPENOCD),
            (Target::Serial(_), false) => tools.push(SB),
            _ => {}
        }
        tools
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn refusal(words: &str) -> String {
        let line = Line::try_parse_from(format!("x {words}").split(' '));
        let options = line.map_err(|it| it.to_string()).unwrap().options;
        let board = Board::load("qemu-virt").unwrap();
        options
            .check(&board)
            .map_or_else(|it| format!("{it:#}"), |()| "taken".into())
    }

    #[test]
    fn what_cannot_work_is_refused_before_anything_is_built() {
        let cases = [
            ("--to /no/such/folder/x.img", "folder"),
            ("--to /dev/null", "no disk"),
            ("--to /dev/no-such-disk", "lsblk"),
            ("--to tftp:/no/such/folder", "TFTP"),
            ("--to serial:/dev/no-such-port", "cable"),
            ("--to jtag", "board.toml"),
            ("--to x.img", "taken"),
        ];
        for (words, says) in cases {
            let message = refusal(words);
            assert!(
                message.contains(says),
                "{words}: {message} does not say {says}"
            );
        }
    }

    #[test]
    fn firmware_is_given_whole_or_not_at_all() {
        let parse = |words: &str| Line::try_parse_from(format!("x --to x.img {words}").split(' '));
        assert!(parse("--fsbl a").is_err());
        assert!(parse("--fsbl a --pmufw b --tfa c --u-boot d").is_ok());
        assert!(parse("--fsbl a --pmufw b --tfa c --u-boot d --boot-bin e").is_err());
    }
}
