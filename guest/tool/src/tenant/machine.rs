//! This machine: its function, the session on it, and whom it knows.

use std::sync::atomic::AtomicU64;

use anyhow::{Context, Result, anyhow, bail};
use unimux_driver::{Access, CqFlags, MemoryRegion};
use unimux_exchange::connection::Queues;
use unimux_exchange::failure::Failure;
use unimux_exchange::{Buffer, Session};
use unimux_linux::{Arena, Doorbell, Found, Function, Life, Sleeps, info_page::InfoPage};

use super::Own;

/// Why there is nothing to use.
const NO_FUNCTION: &str = "this machine has no function: no PCI device 1af4:1110 or 1234:756d carries \
     an info page. Was the virtual machine started with `unimux vm qemu-args NAME`, and is this root?";

/// After how long a peer is greeted again.
const HELLO_AGAIN_NS: u64 = 1_000_000_000;

/// An attached function with a session on it.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) session: Session<Doorbell>,
    pub(crate) arena: Arena,
    pub(crate) info: InfoPage,
    /// What Unimux says of the machine, if it is a guest of its own.
    pub(crate) life: Option<Life>,
}

/// What `found` is chosen as by its user.
pub(crate) fn choose(own: Own) -> Result<Found> {
    let found = unimux_linux::find()?;
    let mut candidates = found.into_iter().filter(|it| {
        own.function
            .is_none_or(|number| it.info.own.function == number)
    });
    match (candidates.next(), own.function) {
        (Some(found), _) => Ok(found),
        (None, Some(number)) => {
            bail!("this machine has no function {number}: `unimux devices` lists what it has")
        }
        (None, None) => bail!(NO_FUNCTION),
    }
}

impl Machine {
    /// Attaches the function that the user means.
    pub(crate) fn open(own: Own) -> Result<Self> {
        Self::open_to_wait(own, None)
    }

    /// The same for who polls, or sleeps after so many nanoseconds of polling.
    pub(crate) fn open_to_wait(own: Own, sleeps_after_ns: Option<u64>) -> Result<Self> {
        let found = choose(own)?;
        let function = match sleeps_after_ns {
            None => Function::open(found)?,
            Some(polls_ns) => Function::open_to_sleep(found, polls_ns)?,
        };
        let mut session = Session::of_device(function.device).map_err(broken)?;
        session.patience_ns = own.timeout.saturating_mul(1_000_000_000);
        session.hello_again_ns = Some(HELLO_AGAIN_NS);
        Ok(Self {
            session,
            arena: function.arena,
            life: function.found.life(),
            info: function.found.info,
        })
    }

    /// How often it has slept; `None` if it polls.
    pub(crate) fn sleeps(&self) -> Option<Sleeps> {
        self.session.device.platform().sleeps()
    }

    /// Flags of completion queues for who waits as this machine does.
    pub(crate) fn cq_flags(&self) -> CqFlags {
        match self.sleeps() {
            None => CqFlags::empty(),
            Some(_) => CqFlags::INTERRUPTS,
        }
    }

    /// Queues of a connection for who waits as this machine does.
    pub(crate) fn queues(&self) -> Queues {
        Queues {
            flags: self.cq_flags(),
            ..Queues::default()
        }
    }

    /// The function of `peer`, which is a name or a number.
    pub(crate) fn peer(&self, peer: &str) -> Result<u32> {
        if let Some(named) = self.info.peers.iter().find(|it| it.name == peer) {
            return Ok(named.function);
        }
        peer.parse().map_err(|_| {
            let names: Vec<&str> = self.info.peers.iter().map(|it| it.name.as_str()).collect();
            anyhow!(
                "no peer is called `{peer}`: there are [{}], or give a function's number",
                names.join(", ")
            )
        })
    }

    /// What `function` is called, or its number.
    pub(crate) fn name_of(&self, function: u32) -> String {
        let named = self.info.peers.iter().find(|it| it.function == function);
        named.map_or_else(|| format!("function {function}"), |it| it.name.clone())
    }

    /// Takes a buffer of at least `len_bytes` and registers all of it for everything.
    pub(crate) fn buffer(&mut self, len_bytes: u64) -> Result<(Buffer, MemoryRegion)> {
        let words = self.arena.take(len_bytes)?;
        let region = self.register(words)?;
        let address = words.as_ptr().addr() as u64;
        Ok((Buffer::new(words, address), region))
    }

    fn register(&mut self, words: &[AtomicU64]) -> Result<MemoryRegion> {
        let (device, pd) = (&mut self.session.device, self.session.pd);
        let region = unimux_linux::register(device, pd, &self.arena, words, Access::all());
        region.with_context(|| {
            format!(
                "cannot register {} bytes as a memory region",
                size_of_val(words)
            )
        })
    }
}

impl Drop for Machine {
    /// Leaves the function, so that peers see that nobody is here. The arena keeps its name: its
    /// pages may be written until the function is attached anew.
    fn drop(&mut self) {
        self.session.device.detach();
    }
}

/// What the driver or a completion said, with what to do about it.
pub(crate) fn broken(failure: impl Into<Failure>) -> anyhow::Error {
    use unimux_driver::{CommandStatus, Error, Status};
    let failure = failure.into();
    let advice = match failure {
        Failure::Driver(Error::Timeout | Error::Refused(CommandStatus::PeerBusy)) => {
            "the peer did not answer: is `unimux serve` or `unimux recv` running there?"
        }
        Failure::Driver(Error::Refused(CommandStatus::NoSuchPeer)) => {
            "the peer is not there, or not in this function's partition"
        }
        Failure::Driver(Error::Refused(CommandStatus::QuotaExceeded)) => {
            "the function's quota is used up: `unimux info` shows it, the host sets it"
        }
        Failure::Driver(Error::FunctionStopped(_)) => {
            "the host or the firmware took the function away; see `unimux vm list` there"
        }
        Failure::Request(completion) if completion.status == Status::Flushed => {
            "the connection broke: did the peer end?"
        }
        _ => return anyhow!("{failure}"),
    };
    anyhow!("{failure}: {advice}")
}
