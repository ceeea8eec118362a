//! `cargo xtask doctor`.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::board::{self, Board};
use crate::scenario_file;
use crate::tools::{self, DTC, FLASH, GDB, QEMU, SETPRIV};
use crate::workspace;

/// Says what is there, in which version, what is missing and how to get it. Changes nothing.
///
/// Exit code 1 if something is missing that build, run or test cannot do without.
#[derive(clap::Args)]
pub(crate) struct Doctor {}

/// How bad it is that something is missing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Required,
    Optional,
}

impl Doctor {
    #[expect(clippy::unused_self, reason = "every verb is called the same way")]
    pub(crate) fn run(self) -> Result<ExitCode> {
        let mut sound = true;
        let mut line = |what: &str, found: Option<String>, need: Need, remedy: &str| match found {
            Some(version) => println!("ok       {what:24} {version}"),
            None if need == Need::Required => {
                sound = false;
                println!("MISSING  {what:24} {remedy}");
            }
            None => println!("absent   {what:24} {remedy}"),
        };
        let mut rustc = Command::new("rustc");
        let version = tools::first_line(rustc.current_dir(workspace::root()).arg("--version"));
        line(
            "rustc",
            version,
            Need::Required,
            "install rustup; it brings what rust-toolchain.toml says",
        );
        for name in board::all()? {
            let target = Board::load(&name)?.target;
            let found = tools::has_target(&target).then(|| target.clone());
            line(
                &format!("target of {name}"),
                found,
                Need::Required,
                "cargo xtask setup",
            );
        }
        let optional = [SETPRIV, DTC, GDB].into_iter().chain(FLASH);
        let required = [(QEMU, Need::Required)].into_iter();
        for (tool, need) in required.chain(optional.map(|it| (it, Need::Optional))) {
            let remedy = format!(
                "{}: cargo xtask setup --all, or install Debian's {}",
                tool.purpose, tool.package
            );
            line(tool.program, tool.present(), need, &remedy);
        }
        let extra = |there: bool| there.then(|| "on the nightly toolchain".to_owned());
        let remedy = "its tests are skipped; cargo xtask setup --all";
        line("miri", extra(tools::has_miri()), Need::Optional, remedy);
        line(
            "cargo-fuzz",
            extra(tools::has_fuzz()),
            Need::Optional,
            remedy,
        );
        println!("\nboards:");
        for name in board::all()? {
            println!("  {name:16} {}", Board::load(&name)?.description);
        }
        println!("scenarios: {}", scenario_file::all()?.join(", "));
        Ok(if sound {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}
