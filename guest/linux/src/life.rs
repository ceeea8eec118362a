//! What Unimux says of this machine's life, if it is a guest of its own: in the function's
//! vendor-specific PCI capability.
//!
//! Each word of configuration space that is read is an exit itself.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Offset of the first capability's offset (PCI Local Bus Specification 3.0, 6.7).
const CAPABILITIES: u64 = 0x34;
/// A capability that only its vendor's drivers understand.
const VENDOR_SPECIFIC: u8 = 0x09;
/// Where it says how often the guest has left EL1.
const EXITS: u64 = 16;
/// Where it says how often of these for its timers.
const TIMER_EXITS: u64 = 24;
/// Where it says how many lives there were before.
const LIVES: u64 = 32;
/// Where it says how often of the exits for an interrupt of the function.
const FUNCTION_EXITS: u64 = 36;

/// How often the vCPUs of this machine have left EL1 in this life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exits {
    /// For any reason.
    pub all: u64,
    /// For their timers, which the kernel sets for itself.
    pub timers: u64,
    /// For interrupts of the function.
    pub interrupts: u64,
}

/// The capability of a function.
#[derive(Debug)]
pub struct Life {
    configuration: File,
    capability: u64,
}

impl Life {
    /// That of the device in this directory of sysfs.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::Unsupported`] if it has none, or the kernel's: capabilities are for root.
    pub fn open(device: &Path) -> io::Result<Self> {
        let configuration = File::open(device.join("config"))?;
        let byte = |at: u64| {
            let mut byte = [0];
            configuration.read_exact_at(&mut byte, at).map(|()| byte[0])
        };
        let mut at = byte(CAPABILITIES)?;
        // As many as there is room for: a list may be a ring.
        for _ in 0..48 {
            if at == 0 {
                break;
            }
            let capability = u64::from(at & !3);
            if byte(capability)? == VENDOR_SPECIFIC {
                return Ok(Self {
                    configuration,
                    capability,
                });
            }
            at = byte(capability + 1)?;
        }
        Err(io::ErrorKind::Unsupported.into())
    }

    /// The exits until now.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn exits(&self) -> io::Result<Exits> {
        Ok(Exits {
            all: u64::from_le_bytes(self.read(EXITS)?),
            timers: u64::from_le_bytes(self.read(TIMER_EXITS)?),
            interrupts: u64::from_le_bytes(self.read(FUNCTION_EXITS)?),
        })
    }

    /// How many lives this machine had before: how often it was started again.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn lives_before(&self) -> io::Result<u32> {
        Ok(u32::from_le_bytes(self.read(LIVES)?))
    }

    fn read<const N: usize>(&self, offset: u64) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.configuration
            .read_exact_at(&mut bytes, self.capability + offset)?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn device(configuration: &[u8]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a directory");
        fs::write(folder.path().join("config"), configuration).expect("a file");
        folder
    }

    #[test]
    fn the_capability_is_found_behind_others() {
        let mut configuration = [0; 256];
        configuration[0x34] = 0x40;
        configuration[0x40..0x42].copy_from_slice(&[0x11, 0x60]);
        configuration[0x60..0x62].copy_from_slice(&[VENDOR_SPECIFIC, 0]);
        configuration[0x70] = 5;
        configuration[0x74] = 1;
        configuration[0x78] = 6;
        configuration[0x80] = 9;
        configuration[0x84] = 7;
        let folder = device(&configuration);
        let life = Life::open(folder.path()).expect("it has one");
        let exits = life.exits().expect("readable");
        assert_eq!(exits.all, 0x1_0000_0005);
        assert_eq!((exits.timers, exits.interrupts), (6, 7));
        assert_eq!(life.lives_before().expect("readable"), 9);
    }

    #[test]
    fn a_device_without_it_is_told_from_one_that_cannot_be_read() {
        let mut ring = [0; 256];
        ring[0x34] = 0x40;
        ring[0x40..0x42].copy_from_slice(&[0x11, 0x40]);
        for configuration in [[0; 256], ring] {
            let error = Life::open(device(&configuration).path()).expect_err("none");
            assert_eq!(error.kind(), io::ErrorKind::Unsupported);
        }
        // As an ordinary user reads it.
        let short = device(&ring[..64]);
        let error = Life::open(short.path()).expect_err("cut off");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
