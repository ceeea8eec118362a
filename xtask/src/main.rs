//! Builds, runs, tests and measures Unimux: `cargo xtask --help`.
//!
//! It decides nothing about the machine: what a board is, its `board.toml` says; what a scenario
//! means, `unimux-scenario` says.
#![forbid(unsafe_code)]

mod artifacts;
mod board;
mod boot_delay;
mod claims;
mod console;
mod debian;
mod elf;
mod flash;
mod host_bench;
mod host_steps;
mod kernel_file;
mod launch;
mod linux_bench;
mod linux_run;
mod log_files;
mod log_strings;
mod machine_tree;
mod metrics;
mod plots;
mod qemu;
mod ram_disk;
mod raw_mode;
mod refusals;
mod scenario_file;
mod session;
mod start;
mod terminal;
mod tools;
mod typist;
mod verb;
mod view;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Everything one does with Unimux, one verb each.
///
/// The first command on a fresh clone may be any of them: `build`, `run`, `test` and `bench` bring
/// what is missing first, as `setup` does.
///
///   cargo xtask run              two guests move a file through one engine
///   cargo xtask test             every test: host, property, QEMU
///   cargo xtask bench            the numbers, with their limits
///   cargo xtask flash            a card, or a cable, for a board
#[derive(Parser)]
#[command(name = "cargo xtask", verbatim_doc_comment)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Setup(verb::setup::Setup),
    Build(verb::build::Build),
    Run(verb::run::Run),
    Test(verb::test::Test),
    Bench(verb::bench::Bench),
    Flash(verb::flash::Flash),
    Gdb(verb::gdb::Gdb),
    Size(verb::size::Size),
    Linux(verb::linux::Linux),
    Doctor(verb::doctor::Doctor),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().verb {
        Verb::Setup(verb) => verb.run(),
        Verb::Build(verb) => verb.run(),
        Verb::Run(verb) => verb.run(),
        Verb::Test(verb) => verb.run(),
        Verb::Bench(verb) => verb.run(),
        Verb::Flash(verb) => verb.run(),
        Verb::Gdb(verb) => verb.run(),
        Verb::Size(verb) => verb.run(),
        Verb::Linux(verb) => verb.run(),
        Verb::Doctor(verb) => verb.run(),
    };
    done.unwrap_or_else(|error| {
        terminal::error(&error);
        ExitCode::FAILURE
    })
}
