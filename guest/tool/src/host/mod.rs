//! Commands on the host: the agent, and the virtual machines that it makes functions for.

mod agent;
mod clients;
mod lifecycle;
mod memory;
mod pace;
mod protocol;
mod qemu;
mod region;
mod sleepers;
mod store;
mod vm;
mod wake_line;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::output::Output;
use crate::tenant::size;

/// Where the agent keeps its state and its socket.
const RUN: &str = "/run/unimux";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Own the physical function: make, watch and take back functions of virtual machines
    Agent(AgentOptions),
    /// Make, list and destroy virtual machines' functions and memory
    #[command(subcommand)]
    Vm(VmCommand),
}

/// How the agent runs.
#[derive(Args, Clone, Debug)]
pub(crate) struct AgentOptions {
    /// State and socket go here
    #[arg(long, default_value = RUN)]
    run: PathBuf,
    /// Where the region of the physical function is, if the device tree does not say: an address
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    region: Option<u64>,
    /// A partition guest that virtual machines may call by name (may be given again)
    #[arg(long = "peer", value_name = "NAME=FUNCTION", value_parser = named)]
    peers: Vec<(String, u32)>,
}

/// What a new virtual machine has.
#[derive(Args, Clone, Debug)]
pub(crate) struct CreateOptions {
    /// Its name: letters, digits, - and _
    name: String,
    /// Its memory: 512M, 2G
    #[arg(long, value_parser = size)]
    memory: u64,
    /// It reaches functions of the same partition only; a scenario's guests are in 1 unless it says
    /// otherwise
    #[arg(long, default_value_t = 1)]
    partition: u16,
    /// Its share of the engine relative to others'
    #[arg(long, default_value_t = 1)]
    weight: u16,
}

#[derive(Debug, Subcommand)]
pub(crate) enum VmCommand {
    /// Make a function and memory for a virtual machine
    Create {
        #[command(flatten)]
        options: CreateOptions,
        #[command(flatten)]
        at: At,
    },
    /// List virtual machines and their functions
    List(At),
    /// Print the options to add to a QEMU command line
    QemuArgs {
        /// The virtual machine
        name: String,
        #[command(flatten)]
        at: At,
    },
    /// Take a function back and open it again, as after a reset of the machine
    Reset {
        /// The virtual machine
        name: String,
        #[command(flatten)]
        at: At,
    },
    /// Limit what a function may move; zero is no limit
    Limit {
        /// The virtual machine
        name: String,
        /// Bytes in a second: 100M
        #[arg(long, value_parser = limit, default_value = "0")]
        bytes_per_second: u64,
        /// Requests in a second: 20K
        #[arg(long, value_parser = limit, default_value = "0")]
        requests_per_second: u64,
        /// Its share of the engine relative to others'
        #[arg(long, default_value_t = 1)]
        weight: u16,
        #[command(flatten)]
        at: At,
    },
    /// Destroy a function, and give its memory back
    Destroy {
        /// The virtual machine
        name: String,
        /// Also while QEMU runs: the function goes at once, the memory when QEMU ends
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        at: At,
    },
    /// Show a function's counters
    Stat {
        /// The virtual machine
        name: String,
        #[command(flatten)]
        at: At,
    },
    /// Show what all functions do, every second
    Top(At),
}

/// Which agent.
#[derive(Args, Clone, Debug)]
pub(crate) struct At {
    /// Where the agent's socket is
    #[arg(long, default_value = RUN)]
    run: PathBuf,
}

fn address(text: &str) -> Result<u64, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    u64::from_str_radix(digits, 16).map_err(|_| format!("`{text}` is no hexadecimal address"))
}

/// A number with an optional suffix, or zero.
fn limit(text: &str) -> Result<u64, String> {
    if text == "0" { Ok(0) } else { size(text) }
}

fn named(text: &str) -> Result<(String, u32), String> {
    text.split_once('=')
        .and_then(|(name, number)| Some((name.to_owned(), number.parse().ok()?)))
        .ok_or_else(|| format!("`{text}` is not NAME=FUNCTION, such as bare=1"))
}

impl Command {
    pub(crate) fn run(self, output: Output) -> Result<()> {
        match self {
            Self::Agent(options) => agent::run(&options),
            Self::Vm(command) => vm::run(output, command),
        }
    }
}
