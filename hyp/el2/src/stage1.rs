//! EL2's own translation: identity, and no page both writable and executable.
//!
//! Nothing is mapped that Unimux does not need: no unused RAM, no lower half of a stack slot. The
//! map is made once, on the boot core, and does not change while other cores run.
#![expect(unsafe_code, reason = "changes the translation of the code that runs")]
// UNSAFETY: system registers of translation; correct only because the map is an identity.

use core::{arch::naked_asm, ops::Range};

use aarch64_cpu::registers::{Readable, SCTLR_EL2, TTBR0_EL2, Writeable};
use aarch64_paging::{
    MapError, Mapping,
    descriptor::{El23Attributes, PhysicalAddress},
    idmap::IdTranslation,
    paging::{Constraints, El2, MemoryRegion},
};

use crate::{
    layout,
    slots::{self, Slots},
};

/// What a range is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Code.
    Text,
    /// Constants, device tree, modules.
    ReadOnly,
    /// Variables, stacks, guests' RAM: write-back.
    Data,
    /// A page that a guest maps as device memory: not cacheable, so that both see the same.
    Doorbell,
    /// Device registers: nGnRE.
    Device,
}

impl Use {
    fn attributes(self) -> El23Attributes {
        let common = El23Attributes::VALID | El23Attributes::ACCESSED | El23Attributes::USER_RES1;
        let normal = El23Attributes::ATTRIBUTE_INDEX_1 | El23Attributes::INNER_SHAREABLE;
        let never = El23Attributes::XN;
        common
            | match self {
                Self::Text => normal | El23Attributes::READ_ONLY,
                Self::ReadOnly => normal | El23Attributes::READ_ONLY | never,
                Self::Data => normal | never,
                Self::Doorbell => {
                    El23Attributes::ATTRIBUTE_INDEX_2 | El23Attributes::INNER_SHAREABLE | never
                }
                Self::Device => El23Attributes::ATTRIBUTE_INDEX_0 | never,
            }
    }
}

/// The map.
#[derive(Debug)]
pub struct Stage1 {
    mapping: Mapping<IdTranslation<El23Attributes>, El2>,
}

impl Stage1 {
    /// A map of the image itself.
    ///
    /// # Errors
    /// If a table cannot be made.
    pub fn of_image() -> Result<Self, MapError> {
        let mut map = Self {
            mapping: Mapping::new(IdTranslation::new(), 1, El2),
        };
        map.map(layout::text(), Use::Text)?;
        map.map(layout::rodata(), Use::ReadOnly)?;
        map.map(layout::data(), Use::Data)?;
        for slot in 0..layout::stack_slots() {
            map.map(layout::stack(slot), Use::Data)?;
        }
        map.map(layout::doorbells(), Use::Doorbell)?;
        map.map(layout::heap(), Use::Data)?;
        Ok(map)
    }

    /// Adds a range, widened to whole pages.
    ///
    /// # Errors
    /// If a table cannot be made.
    pub fn map(&mut self, range: Range<usize>, purpose: Use) -> Result<(), MapError> {
        let region = MemoryRegion::new(range.start & !0xfff, (range.end + 0xfff) & !0xfff);
        self.mapping.map_range(
            &region,
            PhysicalAddress(region.start().0),
            purpose.attributes(),
            Constraints::empty(),
        )
    }

    /// Adds slots for pages of a host's.
    ///
    /// # Errors
    /// If a table cannot be made.
    pub fn slots(&mut self) -> Result<Slots, MapError> {
        // Any page will do: the descriptors are emptied at once.
        let region = MemoryRegion::new(slots::BASE, slots::BASE + (slots::SLOTS << 12));
        let attributes = Use::Device.attributes();
        let anywhere = PhysicalAddress(0);
        self.mapping.map_range(
            &region,
            anywhere,
            attributes,
            Constraints::NO_BLOCK_MAPPINGS,
        )?;
        // SAFETY: 1. The tables are the heap's, and never freed: `take_over` forgets the mapping. 2.
        // `self` is not taken over yet; `map` is for other ranges.
        Ok(unsafe { Slots::below(self.mapping.root_address().0 as u64) })
    }

    /// Runs this core on the map from now on, and gives the root for the other cores.
    ///
    /// # Safety
    /// The map has everything that the core touches from here on, at its own address.
    pub unsafe fn take_over(self) -> u64 {
        let root = self.mapping.root_address().0 as u64;
        // The tables must outlive every core.
        self.mapping.mark_active();
        core::mem::forget(self);
        // SAFETY: the caller's promise.
        unsafe { switch_table(root) };
        forbid_writable_text();
        root
    }
}

/// The root of the map that this core runs on.
pub fn root() -> u64 {
    TTBR0_EL2.get_baddr()
}

/// Makes all writable memory not executable on this core (SCTLR_EL2.WXN), whatever the tables say.
pub fn forbid_writable_text() {
    SCTLR_EL2.set(SCTLR_EL2.get() | (1 << 19));
    aarch64_cpu::asm::barrier::isb(aarch64_cpu::asm::barrier::SY);
}

/// Exchanges the table in TTBR0_EL2. With the MMU off in between: the entry table's blocks and the
/// new map's pages must never be in the TLB together (Arm ARM DDI 0487, D8.16.1), and EL2 has no
/// address space identifiers to tell them apart. No data is touched while it is off.
///
/// # Safety
/// As [`Stage1::take_over`].
#[unsafe(naked)]
unsafe extern "C" fn switch_table(root: u64) {
    naked_asm!(
        "mrs   x1, sctlr_el2",
        "bic   x2, x1, #1",
        "dsb   sy",
        "msr   sctlr_el2, x2",
        "isb",
        "msr   ttbr0_el2, x0",
        "isb",
        "tlbi  alle2",
        "dsb   nsh",
        "isb",
        "msr   sctlr_el2, x1",
        "isb",
        "ret",
    )
}
