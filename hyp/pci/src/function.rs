//! A device on the bus: what its configuration words hold, and which bits of them can be written.

use crate::registers::{
    BAR_0, BRIDGE, CAPABILITIES, CAPABILITY, CLASS_BRIDGE, CLASS_INFINIBAND, COMMAND, FUNCTION,
    HEADER_WORDS, INTERRUPT, INTERRUPT_DISABLE, MEMORY_AND_MASTER, PIN_A, VENDOR, VENDOR_SPECIFIC,
    word_at,
};

/// Who the RDMA function is: what its capability says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Version of the function's wire format.
    pub abi: u32,
    /// Number of the function.
    pub function: u32,
    /// Its partition.
    pub partition: u32,
    /// Bytes of BAR 0, a power of two of at least 16.
    pub bar_bytes: u32,
}

/// A device's words, and for each the bits that can be written.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    words: [u32; HEADER_WORDS],
    writable: [u32; HEADER_WORDS],
}

impl Device {
    const EMPTY: Self = Self {
        words: [0; HEADER_WORDS],
        writable: [0; HEADER_WORDS],
    };

    pub(crate) const fn bridge() -> Self {
        let mut bridge = Self::EMPTY;
        bridge.words[0] = VENDOR | BRIDGE << 16;
        bridge.words[2] = CLASS_BRIDGE;
        bridge
    }

    pub(crate) const fn function(identity: Identity) -> Self {
        let mut device = Self::EMPTY;
        let its = &mut device.words;
        its[0] = VENDOR | FUNCTION << 16;
        its[COMMAND] = CAPABILITIES;
        its[2] = CLASS_INFINIBAND;
        // Subsystem.
        its[word_at(0x2c)] = its[0];
        its[word_at(0x34)] = CAPABILITY;
        its[INTERRUPT] = PIN_A;
        let capability = word_at(CAPABILITY as usize);
        its[capability] = VENDOR_SPECIFIC;
        its[capability + 1] = identity.abi;
        its[capability + 2] = identity.function;
        its[capability + 3] = identity.partition;
        let writable = &mut device.writable;
        writable[COMMAND] = MEMORY_AND_MASTER | INTERRUPT_DISABLE;
        writable[BAR_0] = !(identity.bar_bytes - 1);
        writable[INTERRUPT] = 0xff;
        device
    }

    /// Clears what was written.
    pub(crate) fn reset(&mut self) {
        for (word, writable) in self.words.iter_mut().zip(&self.writable) {
            *word &= !writable;
        }
    }

    /// Word `index`; behind the last one are zeros.
    pub(crate) fn word(&self, index: usize) -> u32 {
        self.words.get(index).copied().unwrap_or(0)
    }

    /// Writes the bits of word `index` that are in `mask` and can be written.
    pub(crate) fn set(&mut self, index: usize, value: u32, mask: u32) {
        if let (Some(word), Some(writable)) = (self.words.get_mut(index), self.writable.get(index))
        {
            let mask = mask & writable;
            *word = *word & !mask | value & mask;
        }
    }
}
