//! `unimux`: RDMA between virtual machines, from the command line.
//!
//! In a tenant it uses the machine's own function; on the host it makes and watches tenants.

mod cli;
mod host;
mod output;
mod tenant;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match cli.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("unimux: {error:#}");
            ExitCode::FAILURE
        }
    }
}
