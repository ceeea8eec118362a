//! Stage 2 on this core: which tables, which VMID, and forgetting what was translated.
//!
//! The tables themselves are data, made by `unimux-stage2`. TLB maintenance works on the VMID that
//! is loaded on the core that issues it, and reaches all cores of the inner shareable domain; so
//! a guest's maintenance is done on one of its own cores.
#![expect(unsafe_code, reason = "TLB maintenance has no safe wrapper")]
// UNSAFETY: barriers and TLBI, for the guest that owns the core.

use core::arch::asm;

use aarch64_cpu::registers::{VTCR_EL2, VTTBR_EL2, Writeable};
use unimux_memory::Pa;
use unimux_stage2::{Invalidation, Machine, Vmid};

/// A guest's stage 2 as the core needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage2 {
    /// The level 1 table.
    pub root: Pa,
    /// The guest's VMID.
    pub vmid: Vmid,
}

impl Stage2 {
    /// Makes it the stage 2 of this core. What is in the TLBs under other VMIDs stays there.
    pub fn select(&self) {
        VTCR_EL2.set(unimux_stage2::VTCR_EL2);
        VTTBR_EL2.set(unimux_stage2::vttbr(self.root, self.vmid));
        aarch64_cpu::asm::barrier::isb(aarch64_cpu::asm::barrier::SY);
    }

    /// Leaves nothing in the TLBs from whoever had the VMID before. It is selected on this core.
    pub fn forget(&self) {
        forget_all();
    }
}

/// The core as a change of a guest's tables needs it. Only on a core on which that guest is loaded.
#[derive(Debug)]
pub struct LoadedGuest;

/// More entries than this and all of the guest's are dropped at once.
const BY_ADDRESS_MAX: u64 = 64;

impl Machine for LoadedGuest {
    fn barrier(&mut self) {
        aarch64_cpu::asm::barrier::dsb(aarch64_cpu::asm::barrier::ISHST);
    }

    fn invalidate(&mut self, invalidation: Invalidation) {
        if invalidation.count() > BY_ADDRESS_MAX {
            forget_all();
            return;
        }
        for ipa in invalidation.addresses() {
            // SAFETY: maintenance only forgets.
            unsafe { asm!("tlbi ipas2e1is, {}", in(reg) ipa.get() >> 12, options(nostack)) };
        }
        // Entries that combine both stages are not found by IPA (Arm ARM DDI 0487, D8.17.6).
        // SAFETY: as above.
        unsafe {
            asm!(
                "dsb ish",
                "tlbi vmalle1is",
                "dsb ish",
                "isb",
                options(nostack)
            )
        };
    }
}

/// Forgets what this core, and it alone, has translated and fetched for the guest that is loaded on it:
/// another of the guest's vCPUs ran here, under the same VMID, and each may take its core's TLBs and
/// instruction cache for its own. (Linux' KVM does the same and for the same reason:
/// `kvm_arch_vcpu_load` in arch/arm64/kvm/arm.c, `__kvm_flush_cpu_context`.)
pub fn forget_on_this_core() {
    // SAFETY: as above.
    unsafe {
        asm!(
            "tlbi vmalle1",
            "ic iallu",
            "dsb nsh",
            "isb",
            options(nostack)
        )
    };
}

/// Forgets all of the guest that is loaded on this core, both stages, on all cores.
fn forget_all() {
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
