//! The 64-bit stage-2 descriptor: encode what a policy says, decode what a table holds.
//!
//! Not handled: FEAT_S2FWB, FEAT_LPA2, FEAT_XNX, hardware access flags and the contiguous hint.
//! None of them exists on Cortex-A53 but the last, and that one would make break-before-make a
//! matter of sixteen entries at a time.

use crate::attributes::{Access, Attributes, Memory};
use crate::geometry::{Level, PA_BITS, PAGE_BYTES};
use bitfield_struct::bitfield;
use unimux_memory::Pa;

/// One stage-2 descriptor as the walker reads it.
///
/// DDI 0487 D8.3.1 (table, block and page formats) and D8.3.2 (stage-2 attribute fields).
/// Bits without a name are RES0 or ignored for the features in use, and written as zero.
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct Descriptor {
    /// 0: the walk ends here in a translation fault and the other 63 bits are ignored.
    pub valid: bool,
    /// At levels 1 and 2: 1 is a table, 0 a block. At level 3: 1 is a page, 0 is reserved.
    pub table_or_page: bool,
    /// MemAttr\[3:0\], see [`Memory`]. Leaf only.
    #[bits(4)]
    pub mem_attr: u8,
    /// S2AP\[1:0\]: bit 0 permits loads, bit 1 permits stores. Leaf only.
    #[bits(2)]
    pub s2ap: u8,
    /// SH\[1:0\]: 0b10 outer, 0b11 inner shareable. Leaf only.
    #[bits(2)]
    pub shareability: u8,
    /// AF, the access flag. Zero would fault on first use; always written as one.
    pub access_flag: bool,
    #[bits(1)]
    __: u8,
    /// Bits 47:12 of the output address, or of the next table's.
    #[bits(36)]
    pub address: u64,
    #[bits(5)]
    __: u8,
    /// XN\[0\], bit 53: with FEAT_XNX it splits EL1 from EL0, without it is RES0. Always zero, which
    /// means "both alike" in either case.
    pub execute_never_split: bool,
    /// XN, bit 54: no instruction fetch (DDI 0487 D8.4.2, stage-2 execute-never).
    pub execute_never: bool,
    #[bits(9)]
    __: u16,
}

/// MemAttr\[3:0\], DDI 0487 D8.6.5, stage-2 memory type and cacheability without FEAT_S2FWB.
mod mem_attr {
    /// Device-nGnRE.
    pub(super) const DEVICE_NGNRE: u8 = 0b0001;
    /// Normal, outer and inner non-cacheable.
    pub(super) const NORMAL_NON_CACHEABLE: u8 = 0b0101;
    /// Normal, outer and inner write-back cacheable.
    pub(super) const NORMAL_WRITE_BACK: u8 = 0b1111;
}

const S2AP_READ_ONLY: u8 = 0b01;
const S2AP_READ_WRITE: u8 = 0b11;
const OUTER_SHAREABLE: u8 = 0b10;
const INNER_SHAREABLE: u8 = 0b11;

/// What a descriptor means at a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// The walk ends in a translation fault.
    Invalid,
    /// The walk goes on in the table at this address.
    Table(Pa),
    /// A block or page at this address.
    Leaf(Pa, Attributes),
    /// Valid, but nothing this crate writes: a reserved encoding or a foreign attribute.
    Malformed,
}

impl Descriptor {
    /// The descriptor that ends a walk in a translation fault. All bits zero.
    pub const INVALID: Self = Self::from_bits(0);

    /// A descriptor that sends the walk on to the table at `table`.
    ///
    /// # Panics
    /// If `table` is not 4 KiB aligned or lies beyond [`PA_BITS`]: frames are Unimux's own memory,
    /// so this is a bug of ours.
    #[must_use]
    pub const fn table(table: Pa) -> Self {
        assert!(table.is_aligned(PAGE_BYTES) && table.get() >> PA_BITS == 0);
        Self::new()
            .with_valid(true)
            .with_table_or_page(true)
            .with_address(table.get() / PAGE_BYTES)
    }

    /// A block (levels 1 and 2) or page (level 3) at `pa`.
    ///
    /// # Panics
    /// If `pa` is not aligned to the level's size or lies beyond [`PA_BITS`]: a [`crate::Policy`]
    /// admits no such range.
    #[must_use]
    pub const fn leaf(level: Level, pa: Pa, attributes: Attributes) -> Self {
        assert!(pa.is_aligned(level.entry_bytes()) && pa.get() >> PA_BITS == 0);
        let (mem_attr, shareability) = match attributes.memory {
            Memory::NormalWriteBack => (mem_attr::NORMAL_WRITE_BACK, INNER_SHAREABLE),
            // Both are treated as outer shareable whatever SH says (DDI 0487 D8.6.2); say so.
            Memory::NormalNonCacheable => (mem_attr::NORMAL_NON_CACHEABLE, OUTER_SHAREABLE),
            Memory::DeviceNgnre => (mem_attr::DEVICE_NGNRE, OUTER_SHAREABLE),
        };
        let s2ap = match attributes.access {
            Access::ReadOnly => S2AP_READ_ONLY,
            Access::ReadWrite => S2AP_READ_WRITE,
        };
        Self::new()
            .with_valid(true)
            .with_table_or_page(matches!(level, Level::Three))
            .with_mem_attr(mem_attr)
            .with_s2ap(s2ap)
            .with_shareability(shareability)
            .with_access_flag(true)
            .with_address(pa.get() / PAGE_BYTES)
            .with_execute_never(!attributes.execute)
    }

    /// What this descriptor means in a table at `level`.
    #[must_use]
    pub const fn entry(self, level: Level) -> Entry {
        if !self.valid() {
            return Entry::Invalid;
        }
        let pa = Pa::new(self.address() * PAGE_BYTES);
        match (level, self.table_or_page()) {
            (Level::One | Level::Two, true) => Entry::Table(pa),
            (Level::One | Level::Two, false) | (Level::Three, true) => self.leaf_entry(level, pa),
            (Level::Three, false) => Entry::Malformed,
        }
    }

    /// Decodes a leaf by encoding its attributes again: whatever does not come back the same was
    /// not written here.
    const fn leaf_entry(self, level: Level, pa: Pa) -> Entry {
        let memory = match self.mem_attr() {
            mem_attr::NORMAL_WRITE_BACK => Memory::NormalWriteBack,
            mem_attr::NORMAL_NON_CACHEABLE => Memory::NormalNonCacheable,
            mem_attr::DEVICE_NGNRE => Memory::DeviceNgnre,
            _ => return Entry::Malformed,
        };
        let access = match self.s2ap() {
            S2AP_READ_ONLY => Access::ReadOnly,
            S2AP_READ_WRITE => Access::ReadWrite,
            _ => return Entry::Malformed,
        };
        let attributes = Attributes {
            memory,
            access,
            execute: !self.execute_never(),
        };
        if !pa.is_aligned(level.entry_bytes()) || pa.get() >> PA_BITS != 0 {
            return Entry::Malformed;
        }
        if Self::leaf(level, pa, attributes).into_bits() != self.into_bits() {
            return Entry::Malformed;
        }
        Entry::Leaf(pa, attributes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bit patterns worked out by hand from DDI 0487 D8.3, not from this encoder.
    #[test]
    fn encodings_are_those_of_the_manual() {
        let ram = Descriptor::leaf(Level::Two, Pa::new(0x4020_0000), Attributes::RAM);
        assert_eq!(
            ram.into_bits(),
            0x4020_0000 | 1 << 10 | 0b11 << 8 | 0b11 << 6 | 0b1111 << 2 | 0b01
        );
        let doorbell = Descriptor::leaf(Level::Three, Pa::new(0x4123_4000), Attributes::DOORBELL);
        assert_eq!(doorbell.into_bits(), 0x0040_0000_4123_46C7);
        let counters = Descriptor::leaf(Level::Three, Pa::new(0x5000), Attributes::READ_ONLY_PAGE);
        assert_eq!(counters.into_bits(), 0x0040_0000_0000_577F);
        let table = Descriptor::table(Pa::new(0xFF_FFFF_F000));
        assert_eq!(table.into_bits(), 0xFF_FFFF_F003);
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        for level in [Level::One, Level::Two, Level::Three] {
            for memory in [
                Memory::NormalWriteBack,
                Memory::NormalNonCacheable,
                Memory::DeviceNgnre,
            ] {
                for access in [Access::ReadOnly, Access::ReadWrite] {
                    for execute in [false, true] {
                        let attributes = Attributes {
                            memory,
                            access,
                            execute,
                        };
                        let pa = Pa::new(0xC0_0000_0000);
                        let descriptor = Descriptor::leaf(level, pa, attributes);
                        assert_eq!(descriptor.entry(level), Entry::Leaf(pa, attributes));
                    }
                }
            }
        }
    }

    #[test]
    fn reserved_encodings_are_malformed() {
        let page = Descriptor::leaf(Level::Three, Pa::new(0x5000), Attributes::RAM);
        let cases = [
            (
                "reserved at level 3",
                Level::Three,
                page.with_table_or_page(false),
            ),
            (
                "access flag clear",
                Level::Three,
                page.with_access_flag(false),
            ),
            ("no access at all", Level::Three, page.with_s2ap(0)),
            ("write-only", Level::Three, page.with_s2ap(0b10)),
            ("reserved MemAttr", Level::Three, page.with_mem_attr(0b0100)),
            ("write-through", Level::Three, page.with_mem_attr(0b1010)),
            (
                "XN[0] set",
                Level::Three,
                page.with_execute_never_split(true),
            ),
            (
                "beyond the physical address",
                Level::Three,
                page.with_address(1 << 28),
            ),
            (
                "a block off its alignment",
                Level::Two,
                page.with_table_or_page(false),
            ),
        ];
        for (what, level, descriptor) in cases {
            assert_eq!(descriptor.entry(level), Entry::Malformed, "{what}");
        }
        assert_eq!(
            Descriptor::from_bits(u64::MAX - 1).entry(Level::One),
            Entry::Invalid
        );
    }
}
