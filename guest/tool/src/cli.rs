//! What can be asked for, and the help that teaches it.

use clap::{Parser, Subcommand};

use crate::output::Output;
use crate::{host, tenant};

const EXAMPLES: &str = "\
In two virtual machines:
  one$ unimux serve                    answer whoever asks, until interrupted
  two$ unimux devices                  which functions there are, and their peers
  two$ unimux ping one                 is the peer there?
  two$ unimux lat one                  how long a small request takes
  two$ unimux bw one --all             bandwidth and message rate, 8 B to 1 MiB
  one$ unimux recv --output copy.iso   wait for a file
  two$ unimux send big.iso --to one    and send it

On the host:
  # unimux agent &                     owns the physical function
  # unimux vm create one --memory 512M
  # qemu-system-aarch64 … $(unimux vm qemu-args one)
  # unimux vm top

A peer is named by its virtual machine or by its function's number (`unimux devices`).";

/// RDMA between virtual machines, without an exit to the hypervisor.
#[derive(Debug, Parser)]
#[command(name = "unimux", version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    /// Print one JSON document instead of tables
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Tenant(tenant::Command),
    #[command(flatten)]
    Host(host::Command),
}

impl Cli {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let output = Output::new(self.json);
        match self.command {
            Command::Tenant(command) => command.run(output),
            Command::Host(command) => command.run(output),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_commands_make_sense() {
        Cli::command().debug_assert();
    }
}
