//! Addresses at which EL2 sees single pages of a host's as device memory.
//!
//! The pages are mapped write-back at their own addresses too, with the rest of the host's RAM; so
//! a doorbell page has a second address, a *slot*. Tables for all slots are made at boot: a change
//! is one descriptor.
#![expect(unsafe_code, reason = "changes translation tables that are in use")]
// UNSAFETY: one word of a live table at a time, and the TLB maintenance that belongs to it.

use core::{
    arch::asm,
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::cache;

/// Slots: one for each function that there can be.
pub const SLOTS: usize = 64;

/// Address of the first slot: the last 2 MiB of EL2's 39 bits, where no board has RAM.
pub(crate) const BASE: usize = (1 << 39) - (2 << 20);

const PAGE: usize = 4096;

/// A valid page: Device-nGnRE (index 0 of MAIR), AP[1] RES1 at EL2, accessed, not executable (Arm
/// ARM DDI 0487, D8.3.1.2).
const DEVICE_PAGE: u64 = 0b11 | 1 << 6 | 1 << 10 | 1 << 54;

/// Address of the next table, or of the page, in a descriptor.
const ADDRESS: u64 = 0xffff_ffff_f000;

/// The slots, none of them mapped.
#[derive(Debug)]
pub struct Slots {
    leaves: &'static [AtomicU64; SLOTS],
}

impl Slots {
    /// Finds the descriptors of the slots below the level 1 table at `root`, and empties them.
    ///
    /// # Safety
    /// 1. The tables map the slots by pages, live as long as the program and are mapped write-back
    ///    at their own addresses.
    /// 2. No core runs on them yet, and nobody else changes the descriptors of the slots.
    pub(crate) unsafe fn below(root: u64) -> Self {
        let mut table = root;
        for shift in [30, 21] {
            let entry = table as usize + 8 * (BASE >> shift & 0x1ff);
            // SAFETY: a word of a table, by point 1.
            let descriptor = unsafe { core::ptr::with_exposed_provenance::<u64>(entry).read() };
            table = descriptor & ADDRESS;
        }
        let first = table as usize + 8 * (BASE >> 12 & 0x1ff);
        // SAFETY: the last table, which has 512 descriptors; the slots begin at the first of them.
        // All who use them from here on use them as atomics, by point 2.
        let leaves = unsafe { &*core::ptr::with_exposed_provenance::<[AtomicU64; SLOTS]>(first) };
        for leaf in leaves {
            leaf.store(0, Ordering::Relaxed);
        }
        Self { leaves }
    }

    /// Addresses of all slots, in their order, a page each.
    pub fn addresses(&self) -> Range<usize> {
        BASE..BASE + SLOTS * PAGE
    }

    /// Maps the page at `pa`, which EL2 maps write-back at `pa` as well, in a slot. What was in the
    /// slot is mapped no more.
    ///
    /// No line of the page is in a cache afterwards: what was stored through a cache before is seen
    /// through the slot, and none of it overwrites what comes later. A line may be read in again,
    /// by speculation, but is never written then and never read through the slot.
    ///
    /// # Panics
    /// If there is no such slot.
    pub fn map(&mut self, slot: usize, pa: u64) {
        self.unmap(slot);
        let page = pa as usize & !(PAGE - 1);
        cache::clean_and_invalidate(page..page + PAGE);
        self.leaves[slot].store(page as u64 | DEVICE_PAGE, Ordering::Relaxed);
        // SAFETY: barriers: the walk sees the descriptor before anything is read through it.
        unsafe { asm!("dsb ishst", "isb", options(nostack)) };
    }

    /// Empties a slot, on all cores: the *break* of break-before-make (Arm ARM DDI 0487, D8.16.1).
    ///
    /// # Panics
    /// If there is no such slot.
    pub fn unmap(&mut self, slot: usize) {
        self.leaves[slot].store(0, Ordering::Relaxed);
        let page = (BASE + slot * PAGE) >> 12;
        // SAFETY: maintenance only.
        unsafe {
            asm!("dsb ishst", "tlbi vae2is, {}", "dsb ish", "isb", in(reg) page, options(nostack));
        }
    }
}
