//! `cargo xtask setup`.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::board::Board;
use crate::terminal::{Step, note};
use crate::tools::{self, FLASH};
use crate::workspace;

/// Brings what is missing to build, run and test; does nothing when nothing is missing.
///
/// Rust's target comes through rustup, QEMU through apt-get. As root it installs; otherwise it
/// prints the one command to type. build, run, test and bench do this first by themselves.
#[derive(clap::Args)]
pub(crate) struct Setup {
    /// Also bring what some tests use: Miri and cargo-fuzz, on the nightly toolchain, and all tools of flash.
    ///
    /// What cannot be brought is said and left out; the tests skip it, loudly.
    #[arg(long)]
    all: bool,
}

impl Setup {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let board = Board::load(super::build::DEFAULT_BOARD)?;
        ensure(&board)?;
        if self.all {
            extras(&board);
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Brings what is needed to build and run for a board.
pub(crate) fn ensure(board: &Board) -> Result<()> {
    tools::ensure(&board.target, &board.tools())
}

fn extras(board: &Board) {
    if let Err(error) = tools::ensure(&board.target, &FLASH) {
        note(format!("{error:#}"));
        note(LEFT_OUT);
    }
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

/// Said of what cannot be brought.
const LEFT_OUT: &str = "  the tests will skip what needs it";

fn attempt(what: &str, command: &mut Command) {
    let step = Step::begin(what);
    match command.status() {
        Ok(status) if status.success() => step.done("done"),
        _ => {
            step.done("not possible here");
            note(LEFT_OUT);
        }
    }
}
