//! `cargo xtask gdb`.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use super::{build::DEFAULT_BOARD, setup};
use crate::artifacts::Profile;
use crate::board::Board;
use crate::launch::{Kit, Order};
use crate::linux_run::{self, LinuxFiles, OwnFiles};
use crate::scenario_file::ScenarioFile;
use crate::terminal::note;
use crate::tools::{self, GDB};
use crate::workspace;

/// Runs a scenario in a debugger, stopped before the first instruction.
///
/// The symbols of EL2 are loaded; for those of a guest use `add-symbol-file` with the path that
/// `cargo xtask build` prints. What the machine says goes into a file, raw. QEMU belongs to gdb and ends
/// with it.
#[derive(clap::Args)]
pub(crate) struct Gdb {
    /// The board: a folder of bsp/.
    #[arg(long, default_value = DEFAULT_BOARD)]
    board: String,
    /// A scenario of xtask/scenarios, or the path of a .toml file.
    #[arg(long, default_value = "pair")]
    scenario: String,
    /// The file that the guests move [default: the ELF file of Unimux].
    #[arg(long, value_name = "FILE")]
    payload: Option<PathBuf>,
    /// Without overflow checks and debug assertions.
    #[arg(long)]
    release: bool,
    /// Commands for gdb, after it is connected.
    #[arg(long = "ex", value_name = "COMMAND")]
    commands: Vec<String>,
    /// Let gdb read commands from nowhere: it does the --ex ones and ends.
    #[arg(long)]
    batch: bool,
}

impl Gdb {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let board = Board::load(&self.board)?;
        let scenario = ScenarioFile::load(&self.scenario)?;
        setup::ensure(&board)?;
        tools::ensure(&board.target, &[GDB])?;
        let mut kit = Kit::build(board, Profile::from_flag(self.release), &[&scenario])?;
        kit.payload = self.payload.map(std::path::absolute).transpose()?;
        kit.linux = LinuxFiles::bring(&scenario, &OwnFiles::default(), &kit.payload())?;
        let order = Order::plain(&kit, &scenario);
        let serial = workspace::output().join(&kit.board.name).join("serial.raw");
        let mut arguments = order.arguments()?;
        let backend = format!("file,path={}", serial.display());
        let logs_apart = scenario.kvm_host.is_some() && kit.board.machine()?.virtio;
        arguments.extend(linux_run::console_arguments(logs_apart, &backend));
        arguments.extend(["-S", "-gdb", "stdio"].map(str::to_owned));
        note(format!(
            "What the machine says goes to {}",
            workspace::short(&serial)
        ));
        // gdb starts QEMU as the other end of a pipe, in a session of its own: Ctrl-C stops the
        // guest and not QEMU, and the end of gdb is the end of QEMU.
        let remote = format!(
            "exec {} {}",
            kit.board.machine()?.binary,
            quoted(&arguments)
        );
        let mut gdb = Command::new(GDB.program);
        gdb.arg(&kit.unimux.elf)
            .args(["-ex", &format!("target remote | {remote}")]);
        if self.batch {
            gdb.arg("-batch");
        }
        for command in &self.commands {
            gdb.args(["-ex", command]);
        }
        Err(gdb.exec()).context("gdb-multiarch cannot be started")
    }
}

/// Arguments for a shell.
fn quoted(arguments: &[String]) -> String {
    let quote = |it: &String| format!("'{}'", it.replace('\'', r"'\''"));
    arguments.iter().map(quote).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_arguments_as_they_are() {
        let arguments = ["a b", "it's", "$HOME"].map(str::to_owned);
        let echo = format!("printf '%s\\n' {}", quoted(&arguments));
        let output = Command::new("sh").args(["-c", &echo]).output().unwrap();
        assert_eq!(
            String::from_utf8(output.stdout).unwrap(),
            "a b\nit's\n$HOME\n"
        );
    }
}
