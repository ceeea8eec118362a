//! Stage 2 on this core: which tables, which VMID, and forgetting what was translated.
//!
//! The tables themselves are data, made by `unimux-stage2`. TLB maintenance works on the VMID that
//! is loaded on the core that issues it, and reaches all cores of the inner shareable domain; so
//! a guest's maintenance is done on one of its own cores.
#![expect(unsafe_code, reason = "translation registers and TLB maintenance")]
// UNSAFETY: VTTBR_EL2, VTCR_EL2 and TLBI, for the guest that owns the core.

use core::arch::asm;

use aarch64_cpu::registers::{ID_AA64MMFR0_EL1, Readable, VTCR_EL2, VTTBR_EL2, Writeable};

/// VTCR_EL2 but for the physical address size: 39-bit IPA (T0SZ 25) from level 1 (SL0 1), 4 KiB
/// granule, tables in inner-shareable write-back memory, RES1 bit 31, 8-bit VMID.
const VTCR: u64 = 25 | (1 << 6) | (1 << 8) | (1 << 10) | (3 << 12) | (1 << 31);

/// A guest's stage 2 as the core needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage2 {
    /// Physical address of the level 1 table.
    pub root: u64,
    /// The guest's VMID, never 0.
    pub vmid: u8,
}

impl Stage2 {
    /// Makes it the stage 2 of this core.
    pub(crate) fn activate(&self) {
        VTCR_EL2.set(VTCR | (ID_AA64MMFR0_EL1.read(ID_AA64MMFR0_EL1::PARange) << 16));
        VTTBR_EL2.set((u64::from(self.vmid) << 48) | self.root);
        aarch64_cpu::asm::barrier::isb(aarch64_cpu::asm::barrier::SY);
    }
}

/// Forgets the translation of one page of the guest that is loaded on this core, on all cores:
/// stage 2 entries by IPA, then combined entries, which cannot be found by IPA (Arm ARM DDI 0487,
/// D8.17.6). On return no core uses the old translation any more.
pub fn forget_page(ipa: u64) {
    // SAFETY: maintenance only forgets; the tables were changed before, and the barrier orders that.
    unsafe {
        asm!(
            "dsb ishst",
            "tlbi ipas2e1is, {page}",
            "dsb ish",
            "tlbi vmalle1is",
            "dsb ish",
            "isb",
            page = in(reg) ipa >> 12,
            options(nostack),
        );
    }
}

/// Forgets all of the guest that is loaded on this core, both stages, on all cores.
pub fn forget_all() {
    // SAFETY: as above.
    unsafe {
        asm!(
            "dsb ishst",
            "tlbi vmalls12e1is",
            "dsb ish",
            "isb",
            options(nostack)
        )
    };
}
