//! Leaves a core, with its EL2, to an operating system.
//!
//! It loads nothing: kernel and device tree are in memory already. The state is that of Linux'
//! `Documentation/arch/arm64/booting.rst`, section 4: x0 is the tree and x1 to x3 are zero,
//! exceptions masked, MMU and data cache off, kernel and tree clean to the point of coherency.
#![expect(unsafe_code, reason = "turns the translation off and does not return")]
// UNSAFETY: a jump to a program that knows nothing of Rust, with the MMU off.

use core::{arch::naked_asm, ops::Range};

use crate::cache;

/// SCTLR_EL2: RES1 bits alone, that is little-endian with MMU, caches and WXN off.
const SCTLR: u64 = 0x30c5_0830;

/// What a core is left with.
#[derive(Clone, Debug)]
pub struct HandOver {
    /// All of the kernel's memory; it is entered at the first byte.
    pub kernel: Range<usize>,
    /// The device tree.
    pub tree: Range<usize>,
}

impl HandOver {
    /// Leaves this core for good.
    ///
    /// # Safety
    /// 1. `kernel` holds an arm64 `Image` and `tree` a device tree that names no memory, core or
    ///    device that Unimux uses.
    /// 2. Both ranges are mapped.
    pub unsafe fn go(self) -> ! {
        cache::clean_and_invalidate(self.kernel.clone());
        cache::clean_and_invalidate(self.tree.clone());
        cache::invalidate_instructions();
        // SAFETY: the caller's promise. What this core wrote before stays coherent: it takes part
        // in coherency until the kernel powers it off, which cleans its cache.
        unsafe { leave(self.tree.start, self.kernel.start) }
    }
}

/// # Safety
/// As [`HandOver::go`].
#[unsafe(naked)]
unsafe extern "C" fn leave(tree: usize, kernel: usize) -> ! {
    naked_asm!(
        "msr   daifset, #0xf",
        "mov   x4, x1",
        "movz  x5, #{sctlr_low}",
        "movk  x5, #{sctlr_high}, lsl #16",
        "dsb   sy",
        "msr   sctlr_el2, x5",
        "isb",
        // Nothing of Unimux' map may be hit by the kernel's.
        "tlbi  alle2",
        "ic    iallu",
        "dsb   nsh",
        "isb",
        "mov   x1, xzr",
        "mov   x2, xzr",
        "mov   x3, xzr",
        "br    x4",
        sctlr_low = const SCTLR & 0xffff,
        sctlr_high = const SCTLR >> 16,
    )
}
