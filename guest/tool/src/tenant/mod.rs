//! Commands inside a virtual machine: they use the machine's own function.

mod client;
mod devices;
mod exits;
mod file;
mod hammer;
mod machine;
mod measure;
mod serve;
mod stat;
mod witness;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use unimux_linux::Sleeps;

use crate::output::Output;
use serve::Manner;

/// How many bytes, with an optional suffix K, M or G.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let (digits, shift) = match text.trim_end_matches(['i', 'B']) {
        it if it.ends_with(['K', 'k']) => (&it[..it.len() - 1], 10),
        it if it.ends_with(['M', 'm']) => (&it[..it.len() - 1], 20),
        it if it.ends_with(['G', 'g']) => (&it[..it.len() - 1], 30),
        it => (it, 0),
    };
    digits
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(1 << shift))
        .filter(|&bytes| bytes > 0)
        .ok_or_else(|| format!("`{text}` is no size: write 64, 4K, 1M or 2G"))
}

/// Which of the machine's functions.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Own {
    /// Use this function (default: the first that `unimux devices` lists)
    #[arg(long, value_name = "NUMBER")]
    pub(crate) function: Option<u32>,
    /// Wait this long for a peer, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(crate) timeout: u64,
}

/// How to wait for others.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct Waits {
    /// Sleep while there is nothing to do, instead of polling: no CPU time, but a millisecond or so
    /// until awake
    ///
    /// Who polls notices a completion within a microsecond, and keeps a core busy. A virtual machine of
    /// a Linux host is woken by the host's agent, which looks for what sleepers wait for every
    /// millisecond, and through QEMU: that needs the port that `unimux vm qemu-args` gives QEMU, and
    /// the kernel's module virtio_console. While the host has no agent, a sleeper looks by itself every
    /// 5 ms. A guest of Unimux's own is woken by its function, with the modules gpio_keys and evdev
    /// (one exit of this machine for each time), or with uio_pci_generic (four).
    #[arg(long)]
    pub(crate) sleep: bool,
}

impl Waits {
    /// After how many nanoseconds to sleep, by who polls for `polls` before that.
    pub(crate) fn sleeps_after_ns(self, polls: Duration) -> Option<u64> {
        let ns = u64::try_from(polls.as_nanos()).unwrap_or(u64::MAX);
        self.sleep.then_some(ns)
    }
}

/// How long to poll before sleeping, where nobody measures: what comes at once costs no sleep.
pub(crate) const POLLS: Duration = Duration::from_micros(50);

/// What ended a program's sleeps, for people.
pub(crate) fn slept(sleeps: Sleeps) -> String {
    let Sleeps {
        woken,
        timed_out,
        naps,
    } = sleeps;
    format!("woken {woken} times; {timed_out} sleeps ended by time, {naps} naps without an agent")
}

/// What a measurement does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Operation {
    /// RDMA WRITE: into the peer's memory
    Write,
    /// RDMA READ: out of the peer's memory
    Read,
    /// SEND: into a receive that the peer posted
    Send,
}

impl Operation {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Read => "read",
            Self::Send => "send",
        }
    }
}

impl From<Operation> for unimux_exchange::measure::Operation {
    fn from(it: Operation) -> Self {
        match it {
            Operation::Write => Self::Write,
            Operation::Read => Self::Read,
            Operation::Send => Self::Send,
        }
    }
}

/// What to measure, and how often.
#[derive(Args, Clone, Debug)]
pub(crate) struct Measurement {
    /// The peer, by name or number, that runs `unimux serve`
    pub(crate) peer: String,
    #[command(flatten)]
    pub(crate) own: Own,
    #[command(flatten)]
    pub(crate) waits: Waits,
    /// What to do
    #[arg(long, value_enum, default_value_t = Operation::Write)]
    pub(crate) op: Operation,
    /// Bytes of a request: 64, 4K, 1M
    #[arg(long, value_parser = size, default_value = "64K", conflicts_with = "all")]
    pub(crate) size: u64,
    /// Every power of two from 8 bytes to 1 MiB
    #[arg(long)]
    pub(crate) all: bool,
    /// Requests of each size
    #[arg(long, default_value_t = 1000)]
    pub(crate) iters: u64,
    /// Requests under way at a time (bandwidth only)
    #[arg(long, default_value_t = 128)]
    pub(crate) depth: u64,
    /// Never put data into the request itself, as is done up to 32 bytes
    #[arg(long)]
    pub(crate) no_inline: bool,
    /// Have another guest measure, from there to the peer: one that runs the bare-metal program
    /// `witness`
    #[arg(long, value_name = "GUEST", conflicts_with_all = ["all", "depth", "no_inline", "sleep"])]
    pub(crate) by: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List this machine's functions and their peers
    Devices,
    /// Show what a function may have, and its counters
    Info(Own),
    /// Ask a peer that runs `unimux serve` whether it is there
    Ping {
        /// The peer, by name or number
        peer: String,
        #[command(flatten)]
        own: Own,
        #[command(flatten)]
        waits: Waits,
        /// How often to ask
        #[arg(long, short, default_value_t = 4)]
        count: u64,
    },
    /// Answer pings, measurements and hammers of peers, one peer at a time
    Serve {
        #[command(flatten)]
        own: Own,
        /// End after the first peer
        #[arg(long)]
        once: bool,
        /// Never sleep while nobody asks: a machine that polls has no timer exits of its own
        #[arg(long, conflicts_with = "sleep")]
        poll: bool,
        #[command(flatten)]
        waits: Waits,
    },
    /// Measure bandwidth and message rate to a peer that runs `unimux serve`
    Bw(Measurement),
    /// Measure latency, from post to completion, to a peer that runs `unimux serve`
    Lat(Measurement),
    /// Do small operations one by one and check each, to count the machine's exits meanwhile
    Hammer {
        /// The peer, by name or number, that runs `unimux serve --poll`
        peer: String,
        #[command(flatten)]
        own: Own,
        /// How many
        #[arg(long, default_value_t = 100_000)]
        operations: u64,
    },
    /// Send a file to a peer that runs `unimux recv`, and compare digests
    Send {
        /// The file
        file: PathBuf,
        /// The peer, by name or number
        #[arg(long)]
        to: String,
        #[command(flatten)]
        own: Own,
        #[command(flatten)]
        waits: Waits,
        /// Also read it back and compare every byte: needs as much memory again
        #[arg(long)]
        verify: bool,
        /// Small operations of each kind that both do after the file
        #[arg(long, default_value_t = 0)]
        operations: usize,
    },
    /// Receive a file, and show its SHA-256
    Recv {
        /// From this peer only, by name or number
        #[arg(long)]
        from: Option<String>,
        /// Where to put it (default: nowhere, only the digest is computed)
        #[arg(long, short)]
        output: Option<PathBuf>,
        #[command(flatten)]
        own: Own,
        #[command(flatten)]
        waits: Waits,
    },
    /// Show a function's counters
    Stat(Own),
    /// Show a function's counters every second
    Top(Own),
}

impl Command {
    pub(crate) fn run(self, output: Output) -> Result<()> {
        match self {
            Self::Devices => devices::list(output),
            Self::Info(own) => devices::info(output, own),
            Self::Ping {
                peer,
                own,
                waits,
                count,
            } => client::ping(output, (own, waits), &peer, count),
            Self::Serve {
                own,
                once,
                poll,
                waits,
            } => serve::serve(output, own, once, Manner::of(poll, waits)),
            Self::Bw(measurement) => measure::bandwidth(output, &measurement),
            Self::Lat(measurement) => measure::latency(output, &measurement),
            Self::Hammer {
                peer,
                own,
                operations,
            } => hammer::run(output, own, &peer, operations),
            Self::Send {
                file,
                to,
                own,
                waits,
                verify,
                operations,
            } => file::send(output, (own, waits), (&file, &to), verify, operations),
            Self::Recv {
                from,
                output: path,
                own,
                waits,
            } => file::receive(output, (own, waits), from.as_deref(), path.as_deref()),
            Self::Stat(own) => stat::once(output, own),
            Self::Top(own) => stat::repeat(output, own),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_have_suffixes() {
        assert_eq!(size("64"), Ok(64));
        assert_eq!(size("4K"), Ok(4096));
        assert_eq!(size("1MiB"), Ok(1 << 20));
        assert_eq!(size("2g"), Ok(2 << 30));
        for wrong in ["", "0", "K", "1T", "-1", "99999999999G"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
