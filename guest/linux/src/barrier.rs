//! Barriers and cache maintenance by the name of what they are for.
// UNSAFETY: single instructions that no crate offers to programs.
#![cfg_attr(
    target_arch = "aarch64",
    expect(
        unsafe_code,
        reason = "barriers and cache maintenance are instructions"
    )
)]

use std::sync::atomic::AtomicU64;

/// Orders everything that this CPU stored to memory before what it stores to a device afterwards.
#[inline]
pub(crate) fn memory_before_device() {
    #[cfg(target_arch = "aarch64")]
    // SAFETY: a barrier changes no state (Arm ARM B2.3.12: DMB orders memory of any type against
    // device accesses).
    unsafe {
        std::arch::asm!("dmb oshst", options(nostack, preserves_flags));
    }
    #[cfg(not(target_arch = "aarch64"))]
    std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
}

/// Wakes the engine core if it sleeps, after what was stored to the device has arrived there.
#[inline]
pub(crate) fn wake_engine() {
    #[cfg(target_arch = "aarch64")]
    // SAFETY: DSB and SEV change no state of this program; neither traps to a hypervisor.
    unsafe {
        std::arch::asm!("dsb st", "sev", options(nostack, preserves_flags));
    }
}

/// Lets another hardware thread have a moment. `core::hint::spin_loop` is an ISB on arm64, which
/// is slow in emulators and lets nobody in.
#[inline]
pub(crate) fn pause() {
    #[cfg(target_arch = "aarch64")]
    // SAFETY: YIELD has no effect on registers or memory (Arm ARM C6.2).
    unsafe {
        std::arch::asm!("yield", options(nomem, nostack, preserves_flags));
    }
    #[cfg(not(target_arch = "aarch64"))]
    std::hint::spin_loop();
}

/// Writes what this machine's caches hold of `words` to memory, and drops it from them: whoever
/// reads it uncached, as a virtual machine does with device pages, sees what was stored.
pub fn clean_to_memory(words: &[AtomicU64]) {
    #[cfg(target_arch = "aarch64")]
    {
        // The smallest line that any Armv8-A core has is 64 bytes in practice; 16 is the least
        // that CTR_EL0 can say (Arm ARM D17.2.34), and cleaning a line twice does no harm.
        const LINE_BYTES: usize = 16;
        let start = words.as_ptr().addr();
        for address in (start..start + size_of_val(words)).step_by(LINE_BYTES) {
            // SAFETY: the address is mapped by `words`; Linux allows DC CIVAC to programs
            // (SCTLR_EL1.UCI), and it loses no data.
            unsafe {
                std::arch::asm!("dc civac, {0}", in(reg) address, options(nostack, preserves_flags));
            }
        }
        // SAFETY: a barrier changes no state; it waits for the maintenance.
        unsafe {
            std::arch::asm!("dsb sy", options(nostack, preserves_flags));
        }
    }
    #[cfg(not(target_arch = "aarch64"))]
    let _ = words;
}
