//! The bus: which device an address means, and when the function interrupts.
//!
//! The function's interrupt is one that is sent, not one that stays: *pending* (the interrupt status
//! bit) is set by [`Bus::raise`], and cleared when the driver sets the interrupt disable bit, as
//! `uio_pci_generic` does in its handler. What is raised while the bit is set is sent when it is
//! cleared. So nothing is lost, and nobody is interrupted twice for one thing.

use crate::function::{Device, Identity};
use crate::registers::{COMMAND, INTERRUPT_DISABLE, INTERRUPT_STATUS, LIFE};

/// Bytes of the configuration space of one bus: 32 devices of 8 functions of 4 KiB.
pub const ECAM_BYTES: u64 = 1 << 20;
/// Number of the function's device, as device trees and addresses have it.
pub const FUNCTION_DEVICE: u32 = 1;

/// What nobody answers reads as ones (PCI Local Bus Specification 3.0, 6.1).
const NOBODY: u64 = u64::MAX;

/// The bus of one guest.
#[derive(Clone, Debug)]
pub struct Bus {
    bridge: Device,
    function: Device,
    is_pending: bool,
}

/// What the capability says of the guest's life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Life {
    /// How often its vCPUs have left EL1, for any reason.
    pub exits: u64,
    /// How often of these for their timers, which a kernel sets for itself.
    pub timer_exits: u64,
    /// How many lives there were before.
    pub lives_before: u32,
    /// How often of the exits for an interrupt of the function.
    pub function_exits: u64,
}

/// One access to a word of a device.
struct Access {
    device: u64,
    word: usize,
    /// First bit of the access in the word.
    shift: u32,
    /// Its bits, at the bottom.
    mask: u32,
}

impl Access {
    /// `None` if it is not of 1, 2 or 4 bytes at a multiple of them: configuration space has no
    /// other (PCI Express Base Specification 3.0, 7.2.2).
    fn new(offset: u64, len_bytes: usize) -> Option<Self> {
        let mask = match len_bytes {
            1 => 0xff,
            2 => 0xffff,
            4 => u32::MAX,
            _ => return None,
        };
        if !offset.is_multiple_of(len_bytes as u64) {
            return None;
        }
        Some(Self {
            device: offset >> 12,
            word: (offset & 0xfff) as usize / 4,
            shift: (offset & 3) as u32 * 8,
            mask,
        })
    }
}

impl Bus {
    /// The bus as after reset, with the function `identity`.
    #[must_use]
    pub const fn new(identity: Identity) -> Self {
        Self {
            bridge: Device::bridge(),
            function: Device::function(identity),
            is_pending: false,
        }
    }

    /// The bus as after reset again.
    pub fn reset(&mut self) {
        self.function.reset();
        self.is_pending = false;
    }

    /// What a load of `len_bytes` bytes at `offset` of the configuration space gives. `life` is
    /// what the capability says of the guest's life.
    #[must_use]
    pub fn read(&self, offset: u64, len_bytes: usize, life: impl FnOnce() -> Life) -> u64 {
        let Some(access) = Access::new(offset, len_bytes) else {
            return NOBODY;
        };
        let word = match access.device {
            BRIDGE => self.bridge.word(access.word),
            FUNCTION => match access.word {
                word @ LIFE..LIFE_END => {
                    let life = life();
                    let words = [
                        life.exits as u32,
                        (life.exits >> 32) as u32,
                        life.timer_exits as u32,
                        (life.timer_exits >> 32) as u32,
                        life.lives_before,
                        life.function_exits as u32,
                        (life.function_exits >> 32) as u32,
                    ];
                    words[word - LIFE]
                }
                COMMAND if self.is_pending => self.function.word(COMMAND) | INTERRUPT_STATUS,
                word => self.function.word(word),
            },
            _ => return NOBODY,
        };
        u64::from(word >> access.shift & access.mask)
    }

    /// Carries a store out. Whether the function's interrupt is sent by it.
    #[must_use]
    pub fn write(&mut self, offset: u64, len_bytes: usize, value: u64) -> bool {
        let Some(access) = Access::new(offset, len_bytes) else {
            return false;
        };
        // No bit of the bridge can be written.
        if access.device != FUNCTION {
            return false;
        }
        let was_disabled = self.is_disabled();
        let (value, mask) = (value as u32 & access.mask, access.mask);
        self.function
            .set(access.word, value << access.shift, mask << access.shift);
        if !was_disabled && self.is_disabled() {
            self.is_pending = false;
        }
        was_disabled && !self.is_disabled() && self.is_pending
    }

    /// The function has something to say. Whether its interrupt is sent.
    #[must_use]
    pub fn raise(&mut self) -> bool {
        self.is_pending = true;
        !self.is_disabled()
    }

    fn is_disabled(&self) -> bool {
        self.function.word(COMMAND) & INTERRUPT_DISABLE != 0
    }
}

/// Device 0, function 0.
const BRIDGE: u64 = 0;
/// Function 0 of the function's device.
const FUNCTION: u64 = (FUNCTION_DEVICE as u64) << 3;
/// Behind the words of [`Life`].
const LIFE_END: usize = LIFE + 7;
