//! The boot script that U-Boot finds by itself, and the commands that people type instead.

use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::tools::{self, MKIMAGE};

/// U-Boot's distribution boot looks for this file first (`boot_scripts`), on disks and by TFTP.
pub(crate) const FILE: &str = "boot.scr.uimg";
/// The FIT image beside it.
pub(crate) const FIT_FILE: &str = "unimux.itb";

/// The script: reads the FIT image from where the script itself was found, and starts it.
///
/// `devtype`, `devnum`, `distro_bootpart` and `prefix` are what both of U-Boot's ways to find a
/// script tell it (`config_distro_bootcmd.h`, `boot/bootmeth_script.c`).
pub(crate) fn text(description: &str, fit: u64) -> String {
    format!(
        "echo \"{description}\"\n\
         if test \"${{devtype}}\" = \"dhcp\"; then\n\
         \ttftpboot {fit:#x} {FIT_FILE}\n\
         else\n\
         \tload ${{devtype}} ${{devnum}}:${{distro_bootpart}} {fit:#x} ${{prefix}}{FIT_FILE}\n\
         fi\n\
         {}\n",
        start(fit)
    )
}

/// The command that starts what was read to `fit`.
///
/// The tree stays where the FIT image says (U-Boot, `boot_relocate_fdt`: all ones mean so). U-Boot
/// would put it at the end of RAM, which EL2 does not see before it has read the tree.
pub(crate) fn start(fit: u64) -> String {
    format!("setenv fdt_high {:#x}; bootm {fit:#x}", u64::MAX)
}

/// What one types to have U-Boot read the FIT image from a TFTP server.
pub(crate) fn over_network(fit: u64) -> [String; 4] {
    [
        "setenv autoload no; dhcp".to_owned(),
        "setenv serverip ADDRESS-OF-THE-SERVER".to_owned(),
        format!("tftpboot {fit:#x} {FIT_FILE}"),
        start(fit),
    ]
}

/// The script as U-Boot's `source` takes it: a legacy image, which U-Boot checks by its CRC.
pub(crate) fn image(text: &str, folder: &Path) -> Result<Vec<u8>> {
    let [source, image] = ["boot.txt", FILE].map(|name| folder.join(name));
    fs::write(&source, text)?;
    let mut mkimage = MKIMAGE.command();
    mkimage.args(["-A", "arm64", "-O", "linux", "-T", "script", "-C", "none"]);
    mkimage.args(["-n", "Unimux", "-d"]).args([&source, &image]);
    // Otherwise it writes the time of its own run.
    mkimage.env("SOURCE_DATE_EPOCH", "0");
    tools::quietly(&mut mkimage)?;
    Ok(fs::read(&image)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_loads_from_where_it_was_found() {
        let text = text("pair", 0x4080_0000);
        assert!(text.contains(
            "load ${devtype} ${devnum}:${distro_bootpart} 0x40800000 ${prefix}unimux.itb"
        ));
        assert!(text.ends_with("bootm 0x40800000\n"), "{text}");
    }
}
