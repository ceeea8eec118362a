//! The wake port: how the host's agent wakes a program that sleeps.
//!
//! A virtio-serial port of QEMU's, which Linux shows as a character device (its driver is
//! `virtio_console`). The agent writes a byte when something came that the program has armed its
//! function for; the program writes one to ask the agent to look for that often. What the bytes
//! are means nothing: each side throws away what it reads.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::fs::OFlags;

use crate::waker::{LONGEST_NS, Woken, throw_away, wait_to_read};
use crate::{Error, clock};

/// The port's name, as QEMU is told and Linux shows it.
pub const NAME: &str = "unimux.wake";
/// How long the agent looks often for who has asked, in nanoseconds.
pub const ASKED_NS: u64 = 4 * LONGEST_NS;

/// After how long it is asked again.
const ASK_AGAIN_NS: u64 = LONGEST_NS;

const PORTS: &str = "/sys/class/virtio-ports";
const DEVICES: &str = "/dev";

/// The port of this machine, for one thread at a time.
#[derive(Debug)]
pub struct WakePort {
    file: File,
    /// When the agent was asked last; zero if it was not.
    asked_ns: AtomicU64,
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
        Ok(Self::on(file))
    }

    pub(crate) fn on(file: File) -> Self {
        Self {
            file,
            asked_ns: AtomicU64::new(0),
        }
    }

    /// Waits until the host wakes this machine.
    pub(crate) fn wait(&self, longest: Duration) -> Woken {
        self.ask();
        wait_to_read(&self.file, longest, || throw_away(&self.file))
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
    use super::*;

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
}
