//! `cargo xtask setup`.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::board::Board;
use crate::terminal::{Step, note};
use crate::tools;
use crate::workspace;

/// Brings what is missing to build, run and test; does nothing when nothing is missing.
///
/// Rust's target comes through rustup, QEMU through apt-get. As root it installs; otherwise it
/// prints the one command to type. build, run, test and bench do this first by themselves.
#[derive(clap::Args)]
pub(crate) struct Setup {
    /// Also bring what CI uses beyond the tests: Miri and cargo-fuzz, on the nightly toolchain.
    ///
    /// What cannot be brought is said and left out; the tests skip it, loudly.
    #[arg(long)]
    all: bool,
}

impl Setup {
    pub(crate) fn run(self) -> Result<ExitCode> {
        ensure(&Board::load(super::build::DEFAULT_BOARD)?)?;
        if self.all {
            extras();
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Brings what is needed to build and run for a board.
pub(crate) fn ensure(board: &Board) -> Result<()> {
    tools::ensure(&board.target, &board.tools())
}

fn extras() {
    if !tools::has_miri() {
        let mut rustup = Command::new("rustup");
        rustup.args([
            "component",
            "add",
            "--toolchain",
            "nightly",
            "miri",
            "rust-src",
        ]);
        attempt("Installing Miri", &mut rustup);
    }
    if !tools::has_fuzz() {
        let mut install = workspace::cargo_nightly();
        install.args(["install", "--quiet", "--locked", "cargo-fuzz"]);
        attempt("Installing cargo-fuzz", &mut install);
    }
}

fn attempt(what: &str, command: &mut Command) {
    let step = Step::begin(what);
    match command.status() {
        Ok(status) if status.success() => step.done("done"),
        _ => {
            step.done("not possible here");
            note("  the tests will skip what needs it");
        }
    }
}
