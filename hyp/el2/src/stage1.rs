//! EL2's own translation: identity, and no page both writable and executable.
//!
//! Nothing is mapped that Unimux does not need: no unused RAM, no lower half of a stack slot. The
//! map is made once, on the boot core, and does not change while other cores run.
#![expect(unsafe_code, reason = "changes the translation of the code that runs")]
// UNSAFETY: tables point to tables by address; system registers of translation, correct only because
// the map is an identity.

use alloc::boxed::Box;
use core::{arch::naked_asm, ops::Range};

use aarch64_cpu::registers::{Readable, SCTLR_EL2, TTBR0_EL2, Writeable};
use unimux_board::entry_table::{
    ACCESSED, AP_RES1, EXECUTE_NEVER, INNER_SHAREABLE, VALID, WRITE_BACK,
};

use crate::{
    layout,
    slots::{self, Slots},
};

// Descriptors of a translation regime with one exception level, 4 KiB granule (Arm ARM DDI 0487,
// D8.3.1 and D8.3.2).
// Those that the entry table has as well are the board's.
/// Not a block: a table, or at the last level a page.
const TABLE_OR_PAGE: u64 = 1 << 1;
/// Index 2 of MAIR_EL2, not cacheable; index 0 is Device-nGnRE.
const NON_CACHEABLE: u64 = 2 << 2;
const READ_ONLY: u64 = 1 << 7;
/// Address of the next table, or of the memory.
const ADDRESS: u64 = 0xffff_ffff_f000;

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
    /// All of a block's descriptor but its address.
    const fn attributes(self) -> u64 {
        let normal = INNER_SHAREABLE | WRITE_BACK;
        VALID
            | ACCESSED
            | AP_RES1
            | match self {
                Self::Text => normal | READ_ONLY,
                Self::ReadOnly => normal | READ_ONLY | EXECUTE_NEVER,
                Self::Data => normal | EXECUTE_NEVER,
                Self::Doorbell => INNER_SHAREABLE | NON_CACHEABLE | EXECUTE_NEVER,
                Self::Device => EXECUTE_NEVER,
            }
    }
}

/// Addresses are of 39 bits, so that level 1 is the first (Arm ARM DDI 0487, D8.2.2).
const FIRST_LEVEL: u32 = 1;
const LAST_LEVEL: u32 = 3;
const ENTRIES: usize = 512;

/// Address bits below those that select an entry at this level.
const fn shift(level: u32) -> u32 {
    12 + 9 * (LAST_LEVEL - level)
}

/// A translation table.
#[repr(C, align(4096))]
struct Table([u64; ENTRIES]);

impl Table {
    fn new(entries: [u64; ENTRIES]) -> &'static mut Self {
        Box::leak(Box::new(Self(entries)))
    }

    /// Maps a range of whole pages to itself, by blocks where it has whole ones.
    fn map(&mut self, level: u32, range: Range<u64>, attributes: u64) {
        let entry_bytes = 1 << shift(level);
        let mut begin = range.start;
        while begin < range.end {
            let end = range.end.min((begin | (entry_bytes - 1)) + 1);
            let entry = &mut self.0[(begin >> shift(level)) as usize % ENTRIES];
            if level == LAST_LEVEL {
                *entry = begin | attributes | TABLE_OR_PAGE;
            } else if end - begin == entry_bytes {
                *entry = begin | attributes;
            } else {
                below(entry, level).map(level + 1, begin..end, attributes);
            }
            begin = end;
        }
    }
}

/// The table that an entry of `level` points to. If there was none it maps what the entry did.
fn below(entry: &mut u64, level: u32) -> &'static mut Table {
    if *entry & TABLE_OR_PAGE == 0 {
        let block = *entry;
        let kind = match level + 1 {
            LAST_LEVEL => TABLE_OR_PAGE,
            _ => 0,
        };
        let part = |index| match block & VALID {
            0 => 0,
            _ => (block | kind) + ((index as u64) << shift(level + 1)),
        };
        let table = Table::new(core::array::from_fn(part));
        *entry = core::ptr::from_mut(table).expose_provenance() as u64 | VALID | TABLE_OR_PAGE;
    }
    let table = core::ptr::with_exposed_provenance_mut((*entry & ADDRESS) as usize);
    // SAFETY: 1. An entry with this bit, above the last level, was made above, and its table is
    // never freed. 2. Nobody else has a reference: one walk goes on at a time, from the root down.
    unsafe { &mut *table }
}

/// The map.
pub struct Stage1 {
    root: &'static mut Table,
}

impl Stage1 {
    /// A map of the image itself.
    #[must_use]
    pub fn of_image() -> Self {
        let mut map = Self {
            root: Table::new([0; ENTRIES]),
        };
        map.map(layout::text(), Use::Text);
        map.map(layout::rodata(), Use::ReadOnly);
        map.map(layout::data(), Use::Data);
        for slot in 0..layout::stack_slots() {
            map.map(layout::stack(slot), Use::Data);
        }
        map.map(layout::doorbells(), Use::Doorbell);
        map.map(layout::heap(), Use::Data);
        map
    }

    /// Adds a range, widened to whole pages.
    pub fn map(&mut self, range: Range<usize>, purpose: Use) {
        let pages = range.start as u64 & !0xfff..(range.end as u64 + 0xfff) & !0xfff;
        self.root.map(FIRST_LEVEL, pages, purpose.attributes());
    }

    /// Adds slots for pages of a host's.
    pub fn slots(&mut self) -> Slots {
        // Any pages will do: the descriptors are emptied at once. They are no whole block.
        let range = slots::BASE..slots::BASE + (slots::SLOTS << 12);
        self.map(range, Use::Device);
        // SAFETY: 1. The tables are the heap's, and never freed. 2. `self` is not taken over yet;
        // `map` is for other ranges.
        unsafe { Slots::below(self.root_address()) }
    }

    fn root_address(&mut self) -> u64 {
        core::ptr::from_mut(self.root).expose_provenance() as u64
    }

    /// Runs this core on the map from now on.
    ///
    /// # Safety
    /// The map has everything that the core touches from here on, at its own address.
    pub unsafe fn take_over(mut self) {
        // SAFETY: the caller's promise.
        unsafe { switch_table(self.root_address()) };
        forbid_writable_text();
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
