//! The FIT image into a board's RAM over its debug port, by OpenOCD.
//!
//! A running U-Boot has set up the memory; OpenOCD stops it at its prompt, writes through its core, so
//! that its caches see it, compares, and lets it go on. It does not start a board without firmware: the
//! PMU's firmware would have to be loaded by a MicroBlaze debugger, which OpenOCD is not.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::tools::OPENOCD;

/// A careful speed of the debug port.
const SPEED_KHZ: u32 = 10_000;

/// OpenOCD's arguments.
pub(crate) fn arguments(configuration: &[String], fit: &Path, at: u64) -> Vec<String> {
    let mut arguments: Vec<String> = Vec::new();
    for file in configuration {
        arguments.extend(["-f".to_owned(), file.clone()]);
    }
    // Braces quote in Tcl.
    let file = format!("{{{}}}", fit.display());
    for command in [
        format!("adapter speed {SPEED_KHZ}"),
        "init".into(),
        "halt".into(),
        format!("load_image {file} {at:#x} bin"),
        format!("verify_image {file} {at:#x} bin"),
        "resume".into(),
        "shutdown".into(),
    ] {
        arguments.extend(["-c".to_owned(), command]);
    }
    arguments
}

/// The command line as one types it.
pub(crate) fn shown(arguments: &[String]) -> String {
    let quoted = arguments.iter().map(|it| {
        if it.contains(|c: char| c.is_whitespace() || "{}'".contains(c)) {
            format!("'{}'", it.replace('\'', r"'\''"))
        } else {
            it.clone()
        }
    });
    let quoted: Vec<String> = quoted.collect();
    format!("{} {}", OPENOCD.program, quoted.join(" "))
}

/// Runs it.
pub(crate) fn load(arguments: &[String]) -> Result<()> {
    let mut openocd = Command::new(OPENOCD.program);
    let status = openocd.args(arguments).stdin(Stdio::null()).status();
    if !status.context("openocd cannot be started")?.success() {
        bail!(
            "OpenOCD failed, it says why above. \"no device found\": is the board's JTAG cable in, and may \
             this user open it (plugdev)? \"timed out\": does U-Boot stand at its prompt?"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_can_be_typed() {
        let files = ["interface/a.cfg".to_owned(), "target/b.cfg".to_owned()];
        let line = shown(&arguments(&files, Path::new("/x/it's.itb"), 0xa0_0000));
        assert!(line.starts_with("openocd -f interface/a.cfg -f target/b.cfg -c 'adapter speed"));
        assert!(
            line.contains(r"'load_image {/x/it'\''s.itb} 0xa00000 bin'"),
            "{line}"
        );
        assert!(line.ends_with("-c resume -c shutdown"), "{line}");
    }
}
