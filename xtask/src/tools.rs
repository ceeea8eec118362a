//! The tools that Unimux is built and run with: what is there, and how to get the rest.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::workspace;

/// A program of a Debian package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tool {
    /// The program.
    pub(crate) program: &'static str,
    /// Debian's package that has it.
    pub(crate) package: &'static str,
    /// What it is for.
    pub(crate) purpose: &'static str,
}

/// Runs the boards.
pub(crate) const QEMU: Tool = Tool {
    program: "qemu-system-aarch64",
    package: "qemu-system-arm",
    purpose: "runs the boards",
};
/// Ends QEMU with xtask.
pub(crate) const SETPRIV: Tool = Tool {
    program: "setpriv",
    package: "util-linux",
    purpose: "ends QEMU when xtask ends",
};
/// Compiles the device trees of boards.
pub(crate) const DTC: Tool = Tool {
    program: "dtc",
    package: "device-tree-compiler",
    purpose: "compiles device trees of boards",
};
/// Debugs EL2 and guests.
pub(crate) const GDB: Tool = Tool {
    program: "gdb-multiarch",
    package: "gdb-multiarch",
    purpose: "cargo xtask gdb",
};

/// Makes boot scripts.
pub(crate) const MKIMAGE: Tool = Tool {
    program: "mkimage",
    package: "u-boot-tools",
    purpose: "cargo xtask flash",
};

/// Reads file systems of cards.
pub(crate) const MCOPY: Tool = Tool {
    program: "mcopy",
    package: "mtools",
    purpose: "tests what cargo xtask flash made",
};
/// Makes BOOT.BIN.
pub(crate) const BOOTGEN: Tool = Tool {
    program: "bootgen",
    package: "xilinx-bootgen",
    purpose: "cargo xtask flash --fsbl",
};
/// Reaches boards by their debug port.
pub(crate) const OPENOCD: Tool = Tool {
    program: "openocd",
    package: "openocd",
    purpose: "cargo xtask flash --to jtag",
};
/// Sends files over serial lines.
pub(crate) const SB: Tool = Tool {
    program: "sb",
    package: "lrzsz",
    purpose: "cargo xtask flash --to serial:PORT",
};

/// What `cargo xtask flash` takes one time or another, and its tests.
pub(crate) const FLASH: [Tool; 5] = [MKIMAGE, MCOPY, BOOTGEN, OPENOCD, SB];

impl Tool {
    /// To run it.
    pub(crate) fn command(self) -> Command {
        Command::new(self.program)
    }

    /// Where it is, if it is.
    pub(crate) fn find(self) -> Option<PathBuf> {
        which::which(self.program).ok()
    }

    /// If it is there, the first line of what it says of its version, or where it is.
    pub(crate) fn present(self) -> Option<String> {
        let path = self.find()?;
        let version = first_line(Command::new(self.program).arg("--version"));
        let version = version.filter(|it| !it.is_empty());
        Some(version.unwrap_or_else(|| path.display().to_string()))
    }
}

/// Runs a command to its end; shows what it said only if it failed.
pub(crate) fn quietly(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{program} cannot be started"))?;
    if !output.status.success() {
        let said =
            [output.stdout, output.stderr].map(|it| String::from_utf8_lossy(&it).into_owned());
        bail!("{program} failed: {}", said.concat().trim());
    }
    Ok(())
}

/// The first line that a command prints, if it succeeds.
pub(crate) fn first_line(command: &mut Command) -> Option<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    output
        .status
        .success()
        .then(|| text.lines().next().unwrap_or_default().to_owned())
}

/// Whether the toolchain in use can build for `target`.
pub(crate) fn has_target(target: &str) -> bool {
    let mut rustc = Command::new("rustc");
    first_line(
        rustc
            .current_dir(workspace::root())
            .args(["--print", "sysroot"]),
    )
    .is_some_and(|sysroot| {
        PathBuf::from(sysroot)
            .join("lib/rustlib")
            .join(target)
            .is_dir()
    })
}

/// Whether nightly's Miri is there.
pub(crate) fn has_miri() -> bool {
    first_line(workspace::cargo_nightly().args(["miri", "--version"])).is_some()
}

/// Whether cargo-fuzz and a nightly toolchain are there.
pub(crate) fn has_fuzz() -> bool {
    first_line(workspace::cargo_nightly().args(["fuzz", "--version"])).is_some()
}

/// Brings Rust's target and the packages of `tools` if they are missing. Quiet and quick if not.
pub(crate) fn ensure(target: &str, tools: &[Tool]) -> Result<()> {
    if !has_target(target) {
        install_target(target)?;
    }
    let mut packages: Vec<&str> = tools
        .iter()
        .filter(|it| it.find().is_none())
        .map(|it| it.package)
        .collect();
    packages.dedup();
    if packages.is_empty() {
        return Ok(());
    }
    install_packages(&packages)
}

fn install_target(target: &str) -> Result<()> {
    eprintln!("Installing Rust's target {target}");
    let mut rustup = Command::new("rustup");
    rustup
        .current_dir(workspace::root())
        .args(["target", "add", target]);
    match rustup.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => bail!("rustup could not add {target}; try: rustup target add {target}"),
        Err(_) => bail!(
            "Rust's target {target} is missing and there is no rustup to add it; install rustup, \
             then: rustup target add {target}"
        ),
    }
}

fn install_packages(packages: &[&str]) -> Result<()> {
    let command = format!(
        "apt-get install --no-install-recommends {}",
        packages.join(" ")
    );
    let is_root = first_line(Command::new("id").arg("-u")).is_some_and(|uid| uid == "0");
    if which::which("apt-get").is_err() {
        bail!(
            "missing: {} (names of Debian's packages); install them with your system's package manager",
            packages.join(" ")
        );
    }
    if !is_root {
        bail!("missing packages; type: sudo {command}");
    }
    eprintln!("Installing Debian's {}", packages.join(" "));
    // The lists may be absent (a fresh container) or old: then once more after an update, and only
    // then are apt's complaints worth reading.
    let install = ["install", "--yes", "--no-install-recommends"];
    if apt(&install, packages, Stdio::null())
        || apt(&["update"], &[], Stdio::inherit()) && apt(&install, packages, Stdio::inherit())
    {
        return Ok(());
    }
    bail!("apt-get could not install them; try: apt-get update && {command}")
}

fn apt(verb: &[&str], packages: &[&str], errors: Stdio) -> bool {
    let mut command = Command::new("apt-get");
    command
        .args(["-q", "-o", "Dpkg::Use-Pty=0"])
        .args(verb)
        .args(packages);
    command.env("DEBIAN_FRONTEND", "noninteractive");
    // Its output is long and of no use.
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(errors);
    command.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_are_found_or_not() {
        let shell = Tool {
            program: "sh",
            package: "dash",
            purpose: "",
        };
        let none = Tool {
            program: "no-such-program",
            package: "",
            purpose: "",
        };
        assert!(shell.find().is_some());
        assert!(none.find().is_none() && none.present().is_none());
    }

    #[test]
    fn only_successful_output_counts() {
        let run = |script| first_line(Command::new("sh").args(["-c", script]));
        assert_eq!(run("echo one; echo two"), Some("one".into()));
        assert_eq!(run("echo one; exit 1"), None);
    }
}
