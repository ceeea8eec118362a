//! The interrupt of a function that is a PCI device of its own, by the kernel's `uio_pci_generic`.
//!
//! That driver masks the function's INTA each time it comes (Linux' Documentation/driver-api/
//! uio-howto.rst, "Generic PCI UIO driver"); who wants to sleep again clears the interrupt disable
//! bit of the PCI command register. What came in between is sent then, so none is lost.
//!
//! Each of these accesses is an exit; [`Event`](crate::Event) has none of them.

use std::fs::{self, File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use crate::waker::{Woken, wait_to_read};
use crate::{Error, PCI_DEVICES};

const DRIVER: &str = "/sys/bus/pci/drivers/uio_pci_generic";
const DEVICES: &str = "/dev";
/// The upper byte of the command register (PCI Local Bus Specification 3.0, 6.2.2). The function has
/// no other bit there but interrupt disable, so it need not be read first: each access is an exit.
const COMMAND_HIGH: u64 = 5;

/// The interrupt, for one thread at a time.
#[derive(Debug)]
pub struct Interrupt {
    events: File,
    configuration: File,
    /// Whether the driver may have masked it since it was last unmasked here.
    is_masked: AtomicBool,
}

impl Interrupt {
    /// That of the PCI device at `address`; gives the device to the driver if no other has it.
    ///
    /// # Errors
    ///
    /// [`Error::NoInterrupt`] without the driver; [`Error::File`].
    pub fn open(address: &str) -> Result<Self, Error> {
        let device = Path::new(PCI_DEVICES).join(address);
        let events = match uio_of(&device) {
            Some(name) => name,
            None => {
                bind(&device, Path::new(DRIVER))?;
                uio_of(&device).ok_or(Error::NoInterrupt)?
            }
        };
        let open = |path: PathBuf| {
            let file = OpenOptions::new().read(true).write(true).open(&path);
            file.map_err(Error::file("open", path))
        };
        Ok(Self {
            events: open(Path::new(DEVICES).join(events))?,
            configuration: open(device.join("config"))?,
            is_masked: AtomicBool::new(true),
        })
    }

    /// Waits for the interrupt.
    pub(crate) fn wait(&self, longest: Duration) -> Woken {
        if self.is_masked.load(Relaxed) {
            if self.configuration.write_all_at(&[0], COMMAND_HIGH).is_err() {
                return Woken::Nobody;
            }
            self.is_masked.store(false, Relaxed);
        }
        // The number of interrupts so far; that it is there says that it has grown.
        let take = || {
            self.is_masked.store(true, Relaxed);
            matches!((&self.events).read(&mut [0; 4]), Ok(4))
        };
        wait_to_read(&self.events, longest, take)
    }
}

/// The name of the character device that the driver has made for a PCI device.
fn uio_of(device: &Path) -> Option<PathBuf> {
    let mut entries = fs::read_dir(device.join("uio")).ok()?.flatten();
    Some(entries.next()?.file_name().into())
}

/// Tells the driver of the device's identity.
fn bind(device: &Path, driver: &Path) -> Result<(), Error> {
    if !driver.is_dir() {
        return Err(Error::NoInterrupt);
    }
    let number = |file: &str| {
        let path = device.join(file);
        let text = fs::read_to_string(&path).map_err(Error::file("read", path))?;
        Ok::<_, Error>(text.trim().trim_start_matches("0x").to_owned())
    };
    let identity = format!("{} {}", number("vendor")?, number("device")?);
    let path = driver.join("new_id");
    fs::write(&path, identity).map_err(Error::file("tell of the device by", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_driver_is_told_who_the_device_is() {
        let root = tempfile::tempdir().expect("a directory");
        let [device, driver] = ["device", "driver"].map(|it| root.path().join(it));
        fs::create_dir(&device).expect("a directory");
        fs::write(device.join("vendor"), "0x1234\n").expect("a file");
        fs::write(device.join("device"), "0x756d\n").expect("a file");
        assert!(matches!(bind(&device, &driver), Err(Error::NoInterrupt)));
        fs::create_dir(&driver).expect("a directory");
        bind(&device, &driver).expect("a file can be written");
        let told = fs::read_to_string(driver.join("new_id")).expect("written");
        assert_eq!(told, "1234 756d");
        assert_eq!(uio_of(&device), None);
        fs::create_dir_all(device.join("uio/uio3")).expect("a directory");
        assert_eq!(uio_of(&device), Some("uio3".into()));
    }

    #[test]
    fn it_is_unmasked_once_for_each_time_it_came() {
        let root = tempfile::tempdir().expect("a directory");
        let [events, configuration] = ["uio0", "config"].map(|it| root.path().join(it));
        fs::write(&events, [1, 0, 0, 0]).expect("a file");
        fs::write(&configuration, [0; 8]).expect("a file");
        let file = OpenOptions::new().write(true).open(&configuration);
        let interrupt = Interrupt {
            events: File::open(&events).expect("a file"),
            configuration: file.expect("a file"),
            is_masked: AtomicBool::new(true),
        };
        let wait = || {
            let mask = [4; 8];
            fs::write(&configuration, mask).expect("a file");
            let woken = interrupt.wait(Duration::ZERO);
            let unmasked = fs::read(&configuration).expect("a file") != mask;
            (woken, unmasked)
        };
        assert_eq!(wait(), (Woken::Called, true));
        // A file is always ready; there is nothing more in it.
        assert_eq!(wait(), (Woken::Nobody, true), "it came before");
        interrupt.is_masked.store(false, Relaxed);
        assert_eq!(wait(), (Woken::Nobody, false), "it did not come");
        let now = fs::read(&configuration).expect("a file");
        assert_eq!(now, [4; 8]);
    }
}
