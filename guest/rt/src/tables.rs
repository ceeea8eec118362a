//! Stage-1 translation of the guest: every address maps to itself.
//!
//! Static and never changed. It does not protect the guest from itself (RAM is readable, writable
//! and executable): what a guest may reach is decided in stage 2, and a hostile program must be
//! able to try everything.
//!
//! ```text
//! 0x0000_0000  1 GiB    Device-nGnRE, RW, never executed; but
//! 0x0a00_2000  4 KiB    Normal write-back, never executed: the exit counters
//! 0x4000_0000  3 GiB    Normal write-back, RWX: RAM, where there is RAM
//! ```
#![expect(unsafe_code, reason = "a table holds pointers to tables")]
// UNSAFETY: the descriptors are kept as pointers, so that the linker can fill in the addresses of
// the lower tables; pointers are not `Sync` by themselves.

use unimux_paravirt::map::COUNTERS_BASE;

/// MAIR_EL1: index 0 Device-nGnRE, index 1 Normal write-back, read and write allocate.
pub(crate) const MAIR: u64 = 0x04 | 0xff << 8;

/// TCR_EL1: 39-bit addresses through TTBR0 (T0SZ 25), 4 KiB granule, tables write-back and inner
/// shareable, TTBR1 off (EPD1), 40-bit physical addresses (Arm ARM, D19.2, TCR_EL1).
pub(crate) const TCR: u64 = 25 | 1 << 8 | 1 << 10 | 3 << 12 | 1 << 23 | 2 << 32;

/// Descriptor bits (Arm ARM, D8.3): block at levels 1 and 2, table, page.
const BLOCK: usize = 0b01;
const TABLE: usize = 0b11;
const PAGE: usize = 0b11;

/// Access flag, never executed, attributes 0 of [`MAIR`].
const DEVICE: usize = 1 << 10 | NO_FETCH;
/// Access flag, inner shareable, attributes 1 of [`MAIR`].
const NORMAL: usize = 1 << 10 | 3 << 8 | 1 << 2;
/// Never executed.
const NO_FETCH: usize = 1 << 53 | 1 << 54;

const GIB: usize = 1 << 30;
const MIB_2: usize = 1 << 21;
const KIB_4: usize = 1 << 12;

/// The 2 MiB around the function's pages, which alone is mapped by pages.
const FUNCTION_AREA: usize = COUNTERS_BASE as usize & !(MIB_2 - 1);

#[derive(Clone, Copy)]
#[repr(transparent)]
struct Descriptor(*const ());

impl Descriptor {
    const INVALID: Self = Self(core::ptr::null());

    const fn leaf(address: usize, bits: usize) -> Self {
        Self(core::ptr::without_provenance(address | bits))
    }

    const fn table(next: *const Table) -> Self {
        Self(next.cast::<()>().wrapping_byte_add(TABLE))
    }
}

#[repr(C, align(4096))]
pub(crate) struct Table([Descriptor; 512]);

// SAFETY: the tables are never written and the pointers in them never followed by Rust code; only
// the MMU reads them.
unsafe impl Sync for Table {}

/// Level 1, what TTBR0_EL1 points to.
pub(crate) static ROOT: Table = {
    let mut table = [Descriptor::INVALID; 512];
    table[0] = Descriptor::table(&raw const DEVICES);
    let mut gib = 1;
    while gib < 4 {
        table[gib] = Descriptor::leaf(gib * GIB, BLOCK | NORMAL);
        gib += 1;
    }
    Table(table)
};

/// Level 2 of the first GiB.
static DEVICES: Table = {
    let mut table = [Descriptor::INVALID; 512];
    let mut index = 0;
    while index < 512 {
        table[index] = Descriptor::leaf(index * MIB_2, BLOCK | DEVICE);
        index += 1;
    }
    table[FUNCTION_AREA / MIB_2] = Descriptor::table(&raw const FUNCTION_PAGES);
    Table(table)
};

/// Level 3 of the 2 MiB with the doorbell page and the counter page.
static FUNCTION_PAGES: Table = {
    let mut table = [Descriptor::INVALID; 512];
    let mut index = 0;
    while index < 512 {
        table[index] = Descriptor::leaf(FUNCTION_AREA + index * KIB_4, PAGE | DEVICE);
        index += 1;
    }
    let counters = COUNTERS_BASE as usize;
    table[(counters - FUNCTION_AREA) / KIB_4] =
        Descriptor::leaf(counters, PAGE | NORMAL | NO_FETCH);
    Table(table)
};
