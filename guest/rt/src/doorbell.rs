//! The doorbell page of the guest's RDMA function: two words that are only ever stored to.
//!
//! What the words mean is the wire format's business (`unimux-abi`, doorbell).
#![expect(unsafe_code, reason = "the doorbell page is found by address")]
// UNSAFETY: the page belongs to the function; it is no Rust object.

use core::arch::asm;

use crate::device_tree::Function;

/// The doorbell page. Copies are as good as the original: the page has no state for the guest.
#[derive(Clone, Copy, Debug)]
pub struct Doorbell {
    base: usize,
}

impl Doorbell {
    /// The page of `function`.
    pub fn of(function: &Function) -> Self {
        Self {
            base: function.doorbell,
        }
    }

    /// Stores `value` to the word at `offset_bytes`, after everything that was stored to memory
    /// before is visible to the engine core, and wakes that core if it sleeps. No exit.
    ///
    /// # Panics
    /// If the word is not in the page.
    #[inline]
    pub fn store(self, offset_bytes: usize, value: u64) {
        assert!(offset_bytes <= 4088 && offset_bytes.is_multiple_of(8));
        // SAFETY: the device tree names the page, stage 1 maps it as device memory, and the word is
        // inside; a store to it changes no memory of the guest. The barrier orders memory before
        // device accesses (Arm ARM, B2.3.12); SEV wakes a core in WFE and needs the store to be
        // done first, which DSB waits for.
        unsafe {
            asm!(
                "dmb oshst",
                "str {value}, [{word}]",
                "dsb st",
                "sev",
                value = in(reg) value,
                word = in(reg) self.base + offset_bytes,
                options(nostack, preserves_flags),
            );
        }
    }
}
