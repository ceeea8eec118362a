//! `cargo xtask build`.

use std::process::ExitCode;

use anyhow::Result;

use super::setup;
use crate::artifacts::{self, Profile, Program};
use crate::board::Board;
use crate::terminal::Step;
use crate::workspace;

/// The board when none is named.
pub(crate) const DEFAULT_BOARD: &str = "qemu-virt";

/// Builds Unimux and the guest programs: ELF files, and raw arm64 Images made of them.
///
/// Code for the board is always optimised: timing and size are part of what is developed. Without
/// --release it also checks itself (overflows, debug assertions), which is how run and test use it;
/// with --release it does not, which is how it is measured and shipped.
#[derive(clap::Args)]
pub(crate) struct Build {
    /// The board: a folder of bsp/.
    #[arg(long, default_value = DEFAULT_BOARD)]
    board: String,
    /// Without overflow checks and debug assertions.
    #[arg(long)]
    release: bool,
}

impl Build {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let board = Board::load(&self.board)?;
        setup::ensure(&board)?;
        let profile = Profile::from_flag(self.release);
        let step = Step::begin(format!("Building Unimux for {}", board.name));
        let unimux = artifacts::unimux(&board, profile)?;
        step.detail("guest programs");
        let programs = artifacts::guest_programs(&board, profile)?;
        step.done(profile.name());
        show("unimux", &unimux);
        for (name, program) in &programs {
            show(name, program);
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn show(name: &str, program: &Program) {
    println!("{name:16} {}", workspace::short(&program.elf));
    println!("{:16} {}", "", workspace::short(&program.raw));
}
