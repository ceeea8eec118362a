//! The interrupt of a function as an input event, by the kernel's `gpio_keys` and `evdev`.
//!
//! The guest's device tree describes it as a key that has an interrupt of its own (Linux'
//! Documentation/devicetree/bindings/input/gpio-keys.yaml). Each interrupt is a press and a release,
//! and nothing has to be masked or acknowledged, which would be exits: of what a stock kernel has,
//! nothing else gives an edge to a program that simply. What the events say means nothing.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::thread::sched_getcpu;
use unimux_paravirt::map::EVENT_LABEL;

use crate::Error;
use crate::affinity::Affinity;
use crate::waker::{Woken, throw_away, wait_to_read};

/// Where Linux shows input devices.
const INPUTS: &str = "/sys/class/input";
const DEVICES: &str = "/dev/input";

/// The events of this machine's function, for one thread at a time.
#[derive(Debug)]
pub struct Event {
    file: File,
    affinity: Option<Affinity>,
}

impl Event {
    /// Opens them; `None` if the kernel has no such device, or not the modules for it.
    ///
    /// # Errors
    ///
    /// [`Error::File`].
    pub fn open() -> Result<Option<Self>, Error> {
        find_in(Path::new(INPUTS))
            .map(|name| Self::open_at(&Path::new(DEVICES).join(name)))
            .transpose()
    }

    fn open_at(path: &Path) -> Result<Self, Error> {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(path)
            .map_err(Error::file("open", path))?;
        Ok(Self {
            file,
            affinity: Affinity::of(EVENT_LABEL),
        })
    }

    /// Waits for the interrupt.
    pub(crate) fn wait(&self, longest: Duration) -> Woken {
        let woken = wait_to_read(&self.file, longest, || throw_away(&self.file));
        if let (Woken::Called, Some(affinity)) = (woken, &self.affinity) {
            affinity.follow(sched_getcpu());
        }
        woken
    }
}

/// The name of the character device of the events in a directory like /sys/class/input.
fn find_in(inputs: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(inputs).ok()?.flatten();
    let mut found = entries.filter(|input| {
        let is_event = input.file_name().as_encoded_bytes().starts_with(b"event");
        let name = fs::read_to_string(input.path().join("device/name"));
        is_event && name.is_ok_and(|name| name.trim() == EVENT_LABEL)
    });
    Some(found.next()?.file_name().into())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn the_device_is_found_by_its_name() {
        let root = tempfile::tempdir().expect("a directory");
        assert_eq!(find_in(&root.path().join("nowhere")), None);
        let show = |device: &str, name: &str| {
            let device = root.path().join(device).join("device");
            fs::create_dir_all(&device).expect("a directory");
            fs::write(device.join("name"), name).expect("a file");
        };
        show("event0", "gpio-keys\n");
        show("input1", "unimux-completions\n");
        assert_eq!(find_in(root.path()), None, "that is no device to open");
        show("event1", "unimux-completions\n");
        assert_eq!(find_in(root.path()), Some("event1".into()));
    }

    #[test]
    fn all_events_until_now_end_one_wait() {
        let (events, mut kernel) = UnixStream::pair().expect("sockets");
        events.set_nonblocking(true).expect("a socket");
        let file = File::from(OwnedFd::from(events));
        let event = Event {
            file,
            affinity: None,
        };
        // Two interrupts: each is a press, a release, and a mark behind either.
        kernel.write_all(&[1; 8 * 24]).expect("room");
        assert_eq!(event.wait(Duration::from_secs(1)), Woken::Called);
        assert_eq!(event.wait(Duration::from_millis(1)), Woken::Time);
        drop(kernel);
        assert_eq!(event.wait(Duration::from_secs(1)), Woken::Nobody);
    }
}
