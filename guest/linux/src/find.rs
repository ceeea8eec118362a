//! Which functions this machine has: PCI devices that carry an info page.
//!
//! A virtual machine of a Linux host has QEMU's `ivshmem-plain` (QEMU, docs/specs/ivshmem-spec),
//! whose BAR 2 is the memory that the host's agent made. A guest of Unimux's own stage 2 has the
//! function itself, by its BAR 0. Both begin with the doorbell page and the info page behind it.

use std::fs::{self, File, OpenOptions};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::info_page::InfoPage;
use crate::{Error, INFO_OFFSET_BYTES, Life, PAGE_BYTES, mapping};

/// Where Linux shows PCI devices.
pub(crate) const PCI_DEVICES: &str = "/sys/bus/pci/devices";
/// What may be a function.
struct Kind {
    /// Vendor and device.
    identity: (u32, u32),
    /// The file of the BAR to look at.
    bar: &'static str,
    /// Whether Unimux itself shows it: then it interrupts, and tells of the machine's life.
    is_own: bool,
}

/// QEMU's `ivshmem-plain`.
const IVSHMEM: Kind = Kind {
    identity: (0x1af4, 0x1110),
    bar: "resource2",
    is_own: false,
};
/// The function as a device of its own.
const OWN: Kind = Kind {
    identity: (0x1234, 0x756d),
    bar: "resource0",
    is_own: true,
};

/// A function that this machine has.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its PCI address, as `lspci -D` shows it.
    pub address: String,
    /// What its info page says.
    pub info: InfoPage,
    pub(crate) doorbell: &'static [AtomicU64],
    /// Whether Unimux itself shows it, and not a host's QEMU.
    pub(crate) is_own: bool,
}

impl Found {
    /// What Unimux says of this machine's life; `None` if the machine is a Linux host's, or for an
    /// ordinary user.
    #[must_use]
    pub fn life(&self) -> Option<Life> {
        // Only who has it is asked for it: each look into configuration space is an exit.
        let device = Path::new(PCI_DEVICES).join(&self.address);
        self.is_own.then(|| Life::open(&device).ok()).flatten()
    }
}

/// All functions of this machine, by number.
///
/// # Errors
///
/// [`Error::File`] for a device that cannot be read or mapped, as by an ordinary user.
pub fn find() -> Result<Vec<Found>, Error> {
    find_in(Path::new(PCI_DEVICES))
}

/// All functions in a directory like /sys/bus/pci/devices.
///
/// # Errors
///
/// As [`find`].
pub fn find_in(devices: &Path) -> Result<Vec<Found>, Error> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(devices) else {
        return Ok(found);
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let identity = identity(&path);
        let kind = [IVSHMEM, OWN]
            .into_iter()
            .find(|kind| identity == Some(kind.identity));
        if let Some(kind) = kind {
            let address = entry.file_name().to_string_lossy().into_owned();
            found.extend(look_at(&path, &kind, address)?);
        }
    }
    found.sort_by_key(|it| it.info.own.function);
    Ok(found)
}

fn identity(device: &Path) -> Option<(u32, u32)> {
    let number = |file: &str| {
        let text = fs::read_to_string(device.join(file)).ok()?;
        u32::from_str_radix(text.trim().strip_prefix("0x")?, 16).ok()
    };
    Some((number("vendor")?, number("device")?))
}

/// The function behind `device`, if the memory of its BAR says that it is one.
fn look_at(device: &Path, kind: &Kind, address: String) -> Result<Option<Found>, Error> {
    enable(device)?;
    let path = device.join(kind.bar);
    let file = open(&path)?;
    let len = file.metadata().map_err(Error::file("stat", &path))?.len();
    if len < (INFO_OFFSET_BYTES + PAGE_BYTES) as u64 {
        return Ok(None);
    }
    let words = mapping::map(&file, 0, INFO_OFFSET_BYTES + PAGE_BYTES)
        .map_err(Error::file("map", &path))?;
    let (doorbell, page) = words.split_at(INFO_OFFSET_BYTES / 8);
    let page: Vec<u64> = page.iter().map(|it| it.load(Ordering::Relaxed)).collect();
    Ok(InfoPage::from_words(&page).map(|info| Found {
        address,
        info,
        doorbell,
        is_own: kind.is_own,
    }))
}

/// Lets the device answer to its addresses: nobody has when no driver is bound to it.
fn enable(device: &Path) -> Result<(), Error> {
    let path = device.join("enable");
    let state = fs::read_to_string(&path).unwrap_or_default();
    if state.trim() == "0" {
        fs::write(&path, "1").map_err(Error::file("enable the device by", path))?;
    }
    Ok(())
}

fn open(path: &Path) -> Result<File, Error> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .map_err(Error::file("open", path))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::info_page::Named;

    fn device(root: &Path, name: &str, kind: &Kind, words: &[u64]) {
        let (vendor, device) = kind.identity;
        let at = root.join(name);
        fs::create_dir(&at).expect("a directory");
        fs::write(at.join("vendor"), format!("{vendor:#06x}\n")).expect("a file");
        fs::write(at.join("device"), format!("{device:#06x}\n")).expect("a file");
        fs::write(at.join("enable"), "0\n").expect("a file");
        let mut bar = File::create(at.join(kind.bar)).expect("a file");
        bar.write_all(&[0; 4096]).expect("room");
        for word in words {
            bar.write_all(&word.to_le_bytes()).expect("room");
        }
        bar.set_len(2 << 20).expect("room");
    }

    #[test]
    fn only_devices_with_an_info_page_are_functions() {
        let root = tempfile::tempdir().expect("a directory");
        let info = InfoPage {
            own: Named {
                function: 3,
                name: "web".into(),
            },
            partition: 1,
            peers: Vec::new(),
        };
        let words = info.to_words();
        let other = Kind {
            identity: (0x1af4, 0x1000),
            ..IVSHMEM
        };
        device(root.path(), "0000:00:03.0", &IVSHMEM, &words);
        device(root.path(), "0000:00:04.0", &IVSHMEM, &[0; 512]);
        device(root.path(), "0000:00:05.0", &other, &words);
        device(root.path(), "0000:00:06.0", &OWN, &words);
        let found = find_in(root.path()).expect("readable");
        let mut addresses: Vec<_> = found.iter().map(|it| it.address.as_str()).collect();
        addresses.sort_unstable();
        assert_eq!(addresses, ["0000:00:03.0", "0000:00:06.0"]);
        assert!(found.iter().all(|it| it.info == info));
        let enabled = fs::read_to_string(root.path().join("0000:00:03.0/enable"));
        assert_eq!(enabled.expect("a file"), "1");
        assert!(
            find_in(&root.path().join("nowhere"))
                .expect("none")
                .is_empty()
        );
    }
}
