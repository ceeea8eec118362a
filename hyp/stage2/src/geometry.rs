//! The shape of the tables: levels, sizes, and which bits of an IPA pick an entry.
//!
//! One shape only, chosen for Cortex-A53 and good on every ARMv8-A core: 4 KiB granule, 39-bit
//! IPA, so that the walk starts at level 1 with a single 4 KiB root (DDI 0487 D8.2.9, "Translation
//! using the 4KB granule"). No concatenated roots, no 16 KiB or 64 KiB granules.

use core::fmt;
use unimux_memory::Ipa;

/// Width of an intermediate physical address in bits; `VTCR_EL2.T0SZ` is 64 minus this.
pub const IPA_BITS: u32 = 39;
/// Width of a physical address in bits: Cortex-A53's `ID_AA64MMFR0_EL1.PARange` is 0b0010.
pub const PA_BITS: u32 = 40;
/// Bytes of a page, a level-3 leaf.
pub const PAGE_BYTES: u64 = 1 << 12;
/// Bytes of a level-2 block.
pub const BLOCK_BYTES: u64 = 1 << 21;
/// Bytes of a level-1 block.
pub const GIANT_BYTES: u64 = 1 << 30;
/// Descriptors in one table.
pub const ENTRIES: usize = 512;

/// A level of the walk, numbered as the architecture does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Level {
    /// The root; an entry covers 1 GiB.
    One = 1,
    /// An entry covers 2 MiB.
    Two = 2,
    /// An entry covers one page, 4 KiB.
    Three = 3,
}

impl Level {
    /// Bytes that one entry of a table at this level covers.
    #[must_use]
    pub const fn entry_bytes(self) -> u64 {
        match self {
            Self::One => GIANT_BYTES,
            Self::Two => BLOCK_BYTES,
            Self::Three => PAGE_BYTES,
        }
    }

    /// The entry that `ipa` selects in a table at this level.
    #[must_use]
    pub const fn index_of(self, ipa: Ipa) -> usize {
        // Reduced to nine bits: the cast cannot lose anything.
        (ipa.get() / self.entry_bytes() % ENTRIES as u64) as usize
    }

    /// The first address of the entry that covers `ipa` at this level.
    #[must_use]
    pub const fn base_of(self, ipa: Ipa) -> Ipa {
        Ipa::new(ipa.get() & !(self.entry_bytes() - 1))
    }

    /// The next level down, or `None` below level 3.
    #[must_use]
    pub const fn below(self) -> Option<Self> {
        match self {
            Self::One => Some(Self::Two),
            Self::Two => Some(Self::Three),
            Self::Three => None,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "level {}", *self as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipa_selects_nine_bits_per_level() {
        let ipa = Ipa::new(0x7F_C123_4567);
        assert_eq!(Level::One.index_of(ipa), 0x1FF);
        assert_eq!(Level::Two.index_of(ipa), 9);
        assert_eq!(Level::Three.index_of(ipa), 0x34);
        assert_eq!(Level::Two.base_of(ipa), Ipa::new(0x7F_C120_0000));
    }

    #[test]
    fn the_root_covers_the_whole_ipa_space() {
        assert_eq!(ENTRIES as u64 * Level::One.entry_bytes(), 1 << IPA_BITS);
    }
}
