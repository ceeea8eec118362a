//! How a program sleeps until its function has something for it: whoever wakes it, and what became
//! of its sleeps.
//!
//! It can be woken too early or twice, or not at all. So who was woken looks, and nobody sleeps
//! longer than [`LONGEST_NS`].

use std::fs::File;
use std::io::Read as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::AsFd;

use crate::{Error, Event, Found, Interrupt, WakePort};

/// The longest sleep, in nanoseconds: the program looks by itself then.
pub(crate) const LONGEST_NS: u64 = 1_000_000_000;
/// Bytes thrown away at once, and how often at most for one wake-up.
const PIECE_BYTES: usize = 4096;
const PIECES: usize = 64;
/// Between two looks while there is nobody to wake it.
const NAP: Duration = Duration::from_millis(5);

/// How often a program slept, by what ended it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sleeps {
    /// The function, or the host's agent for it.
    pub woken: u64,
    /// Time: what was waited for did not come, or not as long as anybody sleeps.
    pub timed_out: u64,
    /// Naps, because there was no agent.
    pub naps: u64,
}

/// What ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// What can wake this machine.
    Called,
    /// Time, or a signal.
    Time,
    /// Nobody is there who could call.
    Nobody,
}

/// Who wakes this machine.
#[derive(Debug)]
enum Caller {
    /// The agent of a Linux host.
    Agent(WakePort),
    /// The function itself, by an event, which costs the machine the fewest exits.
    Event(Event),
    /// The function itself, by its PCI interrupt.
    Function(Interrupt),
}

/// What wakes this machine, for one thread at a time.
#[derive(Debug)]
pub struct Waker {
    caller: Caller,
    woken: AtomicU64,
    timed_out: AtomicU64,
    naps: AtomicU64,
}

impl Waker {
    /// For who waits for this function.
    ///
    /// # Errors
    ///
    /// As [`WakePort::open`], [`Event::open`], or [`Interrupt::open`].
    pub fn of(found: &Found) -> Result<Self, Error> {
        if !found.is_own {
            return Ok(Self::by(Caller::Agent(WakePort::open()?)));
        }
        Ok(Self::by(match Event::open()? {
            Some(event) => Caller::Event(event),
            None => Caller::Function(Interrupt::open(&found.address)?),
        }))
    }

    fn by(caller: Caller) -> Self {
        Self {
            caller,
            woken: AtomicU64::new(0),
            timed_out: AtomicU64::new(0),
            naps: AtomicU64::new(0),
        }
    }

    /// How often it was slept so far.
    #[must_use]
    pub fn sleeps(&self) -> Sleeps {
        let count = |it: &AtomicU64| it.load(Ordering::Relaxed);
        Sleeps {
            woken: count(&self.woken),
            timed_out: count(&self.timed_out),
            naps: count(&self.naps),
        }
    }

    /// Sleeps until this machine is woken, for `ns` nanoseconds at most.
    pub fn sleep(&self, ns: u64) {
        let longest = Duration::from_nanos(ns.min(LONGEST_NS));
        let woken = match &self.caller {
            Caller::Agent(port) => port.wait(longest),
            Caller::Event(event) => event.wait(longest),
            Caller::Function(interrupt) => interrupt.wait(longest),
        };
        let ended = match woken {
            Woken::Called => &self.woken,
            Woken::Time => &self.timed_out,
            Woken::Nobody => {
                std::thread::sleep(NAP.min(longest));
                &self.naps
            }
        };
        ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// Waits until there is something to read; `take` reads it and says whether there was.
pub(crate) fn wait_to_read(
    file: impl AsFd,
    longest: Duration,
    take: impl FnOnce() -> bool,
) -> Woken {
    let mut fds = [PollFd::new(&file, PollFlags::IN)];
    let timeout = Timespec::try_from(longest).ok();
    match poll(&mut fds, timeout.as_ref()) {
        // A signal: the program looks.
        Ok(0) | Err(rustix::io::Errno::INTR) => Woken::Time,
        // Linux says that there is something to read also when the other side has hung up.
        Ok(_) if take() => Woken::Called,
        Ok(_) | Err(_) => Woken::Nobody,
    }
}

/// Throws away what has come; whether there was anything.
pub(crate) fn throw_away(mut file: &File) -> bool {
    let mut piece = [0; PIECE_BYTES];
    let pieces = (0..PIECES)
        .take_while(|_| matches!(file.read(&mut piece), Ok(1..)))
        .count();
    pieces > 0
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::time::Instant;

    use super::*;

    /// A port and the host's end of it, none of which blocks.
    fn pair() -> (Waker, UnixStream) {
        let (tenant, host) = UnixStream::pair().expect("sockets");
        tenant.set_nonblocking(true).expect("a socket");
        host.set_nonblocking(true).expect("a socket");
        let port = WakePort::on(File::from(OwnedFd::from(tenant)));
        (Waker::by(Caller::Agent(port)), host)
    }

    #[test]
    fn a_byte_of_the_host_ends_a_sleep_and_is_thrown_away() {
        let (waker, mut host) = pair();
        host.write_all(&[1; 12_000]).expect("room");
        waker.sleep(LONGEST_NS);
        waker.sleep(1_000_000);
        let sleeps = Sleeps {
            woken: 1,
            timed_out: 1,
            naps: 0,
        };
        assert_eq!(waker.sleeps(), sleeps);
    }

    #[test]
    fn the_host_is_asked_once_in_a_while() {
        let (waker, mut host) = pair();
        for _ in 0..5 {
            waker.sleep(1000);
        }
        let mut asked = [0; 8];
        assert_eq!(host.read(&mut asked).expect("asked"), 1);
        assert!(host.read(&mut asked).is_err(), "no more than that");
    }

    #[test]
    fn without_a_host_a_sleep_is_a_nap() {
        let (waker, host) = pair();
        drop(host);
        let began = Instant::now();
        for _ in 0..3 {
            waker.sleep(LONGEST_NS);
        }
        assert!(began.elapsed() >= 3 * NAP && began.elapsed() < Duration::from_secs(1));
        let sleeps = Sleeps {
            woken: 0,
            timed_out: 0,
            naps: 3,
        };
        assert_eq!(waker.sleeps(), sleeps);
    }
}
