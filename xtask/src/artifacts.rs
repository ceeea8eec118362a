//! What cargo builds for the board: Unimux and guest programs, as ELF and as raw `Image`.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use unimux_scenario::arm64_image::{HEADER_LEN, ImageHeader};

use crate::board::Board;
use crate::{elf, workspace};

/// How strictly the code checks itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Optimised, with overflow checks and debug assertions: what one develops and tests with.
    Checked,
    /// Optimised, without them: what is measured and shipped.
    Release,
}

impl Profile {
    /// From the flag `--release`.
    pub(crate) fn from_flag(release: bool) -> Self {
        if release {
            Self::Release
        } else {
            Self::Checked
        }
    }

    /// Name in the workspace's `Cargo.toml`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Checked => "checked",
            Self::Release => "release",
        }
    }
}

/// A program in both its forms.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// With symbols, and with the strings of the log.
    pub(crate) elf: PathBuf,
    /// What is loaded.
    pub(crate) raw: PathBuf,
}

/// Builds Unimux for a board.
pub(crate) fn unimux(board: &Board, profile: Profile) -> Result<Program> {
    let mut programs = package("unimux", Some(&board.feature), board, profile)?;
    programs
        .remove("unimux")
        .context("cargo built no program called unimux")
}

/// Builds the guest programs that scenarios name `program:<name>`.
pub(crate) fn guest_programs(board: &Board, profile: Profile) -> Result<BTreeMap<String, Program>> {
    package("unimux-programs", None, board, profile)
}

/// Builds the guest programs that are claims of tests/guest.
pub(crate) fn claims(board: &Board, profile: Profile) -> Result<BTreeMap<String, Program>> {
    package("unimux-guest-tests", None, board, profile)
}

/// Where the program for Linux runs: in any AArch64 Linux, as it needs no library.
pub(crate) const LINUX_TARGET: &str = "aarch64-unknown-linux-musl";

/// Builds the program for hosts and tenants under Linux.
pub(crate) fn linux_tool() -> Result<PathBuf> {
    let mut command = workspace::cargo();
    command.args(["build", "--bins", "--package", "unimux-tool"]);
    command.args(["--target", LINUX_TARGET, "--profile", "release"]);
    let programs = executables(command, "unimux-tool")?;
    let tool = programs.into_iter().find(|(name, _)| name == "unimux");
    Ok(tool.context("cargo built no program called unimux")?.1)
}

fn package(
    package: &str,
    feature: Option<&str>,
    board: &Board,
    profile: Profile,
) -> Result<BTreeMap<String, Program>> {
    let mut command = workspace::cargo();
    command.args(["build", "--bins"]);
    command.args([
        "--package",
        package,
        "--target",
        &board.target,
        "--profile",
        profile.name(),
    ]);
    if profile == Profile::Checked {
        // The backtrace of a panic at EL2 walks frame pointers; they are 3 KiB of instructions.
        let flags = format!(
            "target.{}.rustflags=[\"-Cforce-frame-pointers=yes\"]",
            board.target
        );
        command.args(["--config", &flags]);
    }
    if let Some(feature) = feature {
        command.args(["--no-default-features", "--features", feature]);
    }
    let executables = executables(command, package)?;
    let folder = workspace::output().join(&board.name).join(profile.name());
    fs::create_dir_all(&folder)?;
    let mut programs = BTreeMap::new();
    for (name, elf) in executables {
        let raw = folder.join(format!("{name}.img"));
        make_raw(&elf, &raw).with_context(|| format!("{} as an Image", elf.display()))?;
        programs.insert(name, Program { elf, raw });
    }
    Ok(programs)
}

/// Runs cargo; returns the programs that it built, by name.
fn executables(mut command: Command, package: &str) -> Result<Vec<(String, PathBuf)>> {
    let mut cargo = command
        .args(["--quiet", "--message-format=json-render-diagnostics"])
        .stdout(Stdio::piped())
        .spawn()
        .context("cargo cannot be started")?;
    let stdout = cargo.stdout.take().context("cargo has no output")?;
    let mut executables = Vec::new();
    for line in BufReader::new(stdout).lines() {
        executables.extend(executable(&line?));
    }
    if !cargo.wait()?.success() {
        bail!("{package} was not built; the compiler's errors are above");
    }
    Ok(executables)
}

/// Name and path of a program, if this message of cargo announces one.
fn executable(message: &str) -> Option<(String, PathBuf)> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    if message["reason"] != "compiler-artifact" {
        return None;
    }
    let name = message["target"]["name"].as_str()?;
    let path = message["executable"].as_str()?;
    Some((name.to_owned(), path.into()))
}

fn make_raw(elf: &Path, raw: &Path) -> Result<()> {
    let bytes = elf::flatten(&fs::read(elf)?)?;
    let head = &bytes[..bytes.len().min(HEADER_LEN)];
    ImageHeader::parse(head, bytes.len() as u64)?;
    fs::write(raw, bytes)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_in_the_messages_of_cargo() {
        let program =
            r#"{"reason":"compiler-artifact","target":{"name":"bench"},"executable":"/x/bench"}"#;
        assert_eq!(
            executable(program),
            Some(("bench".into(), "/x/bench".into()))
        );
        let library = r#"{"reason":"compiler-artifact","target":{"name":"abi"},"executable":null}"#;
        for other in [
            library,
            r#"{"reason":"build-finished","success":true}"#,
            "text",
            "",
        ] {
            assert_eq!(executable(other), None);
        }
    }
}
