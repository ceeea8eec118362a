//! The wake port: how the host's agent wakes a program that sleeps.
//!
//! A virtio-serial port of QEMU's, which Linux shows as a character device (its driver is
//! `virtio_console`). The agent writes a byte when something came that the program has armed its
//! function for; the program writes one to ask the agent to look for that often. What the bytes
//! are means nothing: each side throws away what it reads.
//!
//! A byte can come too early or twice, and none comes while there is no agent. So who was woken
//! looks, and nobody sleeps longer than [`LONGEST_NS`].

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;

use crate::{Error, clock};

/// The port's name, as QEMU is told and Linux shows it.
pub const NAME: &str = "unimux.wake";
/// How long the agent looks often for who has asked, in nanoseconds.
pub const ASKED_NS: u64 = 4 * LONGEST_NS;
/// The longest sleep, in nanoseconds: the program looks by itself then.
const LONGEST_NS: u64 = 1_000_000_000;

/// After how long it is asked again.
const ASK_AGAIN_NS: u64 = LONGEST_NS;
/// Between two looks while there is no agent.
const NAP: Duration = Duration::from_millis(5);
/// Bytes thrown away at once, and how often at most for one wake-up.
const PIECE_BYTES: usize = 4096;
const PIECES: usize = 64;

const PORTS: &str = "/sys/class/virtio-ports";
const DEVICES: &str = "/dev";

/// How often a program slept, by what ended it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sleeps {
    /// The host's agent.
    pub woken: u64,
    /// Time: what was waited for did not come, or not as long as anybody sleeps.
    pub timed_out: u64,
    /// Naps, because there was no agent.
    pub naps: u64,
}

/// The port of this machine, for one thread at a time.
#[derive(Debug)]
pub struct WakePort {
    file: File,
    /// When the agent was asked last; zero if it was not.
    asked_ns: AtomicU64,
    woken: AtomicU64,
    timed_out: AtomicU64,
    naps: AtomicU64,
}

impl WakePort {
    /// Opens this machine's port.
    ///
    /// # Errors
    ///
    /// [`Error::NoWakePort`]; [`Error::WakePortInUse`] if another program has it; [`Error::File`].
    pub fn open() -> Result<Self, Error> {
        let device = find_in(Path::new(PORTS)).ok_or(Error::NoWakePort)?;
        Self::open_at(&Path::new(DEVICES).join(device))
    }

    fn open_at(path: &Path) -> Result<Self, Error> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(path)
            .map_err(|error| match error.kind() {
                ErrorKind::ResourceBusy => Error::WakePortInUse(path.to_owned()),
                _ => Error::file("open", path)(error),
            })?;
        Ok(Self {
            file,
            asked_ns: AtomicU64::new(0),
            woken: AtomicU64::new(0),
            timed_out: AtomicU64::new(0),
            naps: AtomicU64::new(0),
        })
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

    /// Sleeps until the host wakes this machine, for `ns` nanoseconds at most.
    pub fn sleep(&self, ns: u64) {
        self.ask();
        let longest = Duration::from_nanos(ns.min(LONGEST_NS));
        let ended = match self.wait(longest) {
            Woken::ByHost => &self.woken,
            Woken::ByTime => &self.timed_out,
            Woken::NoHost => {
                std::thread::sleep(NAP.min(longest));
                &self.naps
            }
        };
        ended.fetch_add(1, Ordering::Relaxed);
    }

    /// Asks the agent to look often, if it is due. Without an agent there is no room to write to,
    /// and the next sleep tries again.
    fn ask(&self) {
        let now_ns = clock::now_ns();
        let asked_ns = self.asked_ns.load(Ordering::Relaxed);
        let is_due = asked_ns == 0 || now_ns.saturating_sub(asked_ns) >= ASK_AGAIN_NS;
        if is_due && matches!((&self.file).write(&[0]), Ok(1)) {
            self.asked_ns.store(now_ns, Ordering::Relaxed);
        }
    }

    fn wait(&self, longest: Duration) -> Woken {
        let mut fds = [PollFd::new(&self.file, PollFlags::IN)];
        let timeout = Timespec::try_from(longest).ok();
        match poll(&mut fds, timeout.as_ref()) {
            Ok(0) => Woken::ByTime,
            // A signal: the program looks.
            Err(rustix::io::Errno::INTR) => Woken::ByTime,
            // Linux says that there is something to read also when the host has hung up.
            Ok(_) if self.throw_away() => Woken::ByHost,
            Ok(_) | Err(_) => Woken::NoHost,
        }
    }

    /// Throws away what has come; whether there was anything.
    fn throw_away(&self) -> bool {
        let mut piece = [0; PIECE_BYTES];
        let pieces = (0..PIECES)
            .take_while(|_| matches!((&self.file).read(&mut piece), Ok(1..)))
            .count();
        pieces > 0
    }
}

enum Woken {
    ByHost,
    ByTime,
    NoHost,
}

/// The device's name of the port in a directory like /sys/class/virtio-ports.
fn find_in(ports: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(ports).ok()?.flatten();
    let mut found = entries.filter(|port| {
        let name = fs::read_to_string(port.path().join("name"));
        name.is_ok_and(|name| name.trim() == NAME)
    });
    Some(found.next()?.file_name().into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::time::Instant;

    use super::*;

    fn port(file: impl Into<std::os::fd::OwnedFd>) -> WakePort {
        WakePort {
            file: File::from(file.into()),
            asked_ns: AtomicU64::new(0),
            woken: AtomicU64::new(0),
            timed_out: AtomicU64::new(0),
            naps: AtomicU64::new(0),
        }
    }

    /// A port and the host's end of it, none of which blocks.
    fn pair() -> (WakePort, UnixStream) {
        let (tenant, host) = UnixStream::pair().expect("sockets");
        tenant.set_nonblocking(true).expect("a socket");
        host.set_nonblocking(true).expect("a socket");
        (port(tenant), host)
    }

    #[test]
    fn the_port_is_found_by_its_name() {
        let root = tempfile::tempdir().expect("a directory");
        assert_eq!(find_in(&root.path().join("nowhere")), None);
        for (port, name) in [
            ("vport0p1", "org.qemu.guest_agent.0\n"),
            ("vport0p2", "unimux.wake\n"),
        ] {
            fs::create_dir(root.path().join(port)).expect("a directory");
            fs::write(root.path().join(port).join("name"), name).expect("a file");
        }
        assert_eq!(find_in(root.path()), Some("vport0p2".into()));
    }

    #[test]
    fn a_byte_of_the_host_ends_a_sleep_and_is_thrown_away() {
        let (port, mut host) = pair();
        host.write_all(&[1; 3 * PIECE_BYTES]).expect("room");
        port.sleep(LONGEST_NS);
        port.sleep(1_000_000);
        let sleeps = Sleeps {
            woken: 1,
            timed_out: 1,
            naps: 0,
        };
        assert_eq!(port.sleeps(), sleeps);
    }

    #[test]
    fn the_host_is_asked_once_in_a_while() {
        let (port, mut host) = pair();
        for _ in 0..5 {
            port.sleep(1000);
        }
        let mut asked = [0; 8];
        assert_eq!(host.read(&mut asked).expect("asked"), 1);
        assert!(host.read(&mut asked).is_err(), "no more than that");
    }

    #[test]
    fn without_a_host_a_sleep_is_a_nap() {
        let (port, host) = pair();
        drop(host);
        let began = Instant::now();
        for _ in 0..3 {
            port.sleep(LONGEST_NS);
        }
        assert!(began.elapsed() >= 3 * NAP && began.elapsed() < Duration::from_secs(1));
        let sleeps = Sleeps {
            woken: 0,
            timed_out: 0,
            naps: 3,
        };
        assert_eq!(port.sleeps(), sleeps);
    }
}
