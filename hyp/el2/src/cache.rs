//! Caches and barriers, by the reason they are needed for.
//!
//! Source: Arm ARM DDI 0487, D7.5 (cache maintenance), B2.3 (ordering).
#![expect(unsafe_code, reason = "cache maintenance has no safe wrapper")]
// UNSAFETY: maintenance by address over ranges that the caller owns.

use core::{arch::asm, ops::Range};

/// Smallest data cache line of the machine: CTR_EL0.DminLine, log2 of words.
fn data_line() -> usize {
    let ctr: usize;
    // SAFETY: reads an identification register.
    unsafe { asm!("mrs {}, ctr_el0", out(reg) ctr, options(nostack, nomem)) };
    4 << ((ctr >> 16) & 0xf)
}

/// The longest line that any cache of the machine writes back at once: CTR_EL0.CWG, log2 of words.
/// Where it says nothing, no line is longer than 2 KiB.
pub fn longest_line() -> u64 {
    let ctr: u64;
    // SAFETY: reads an identification register.
    unsafe { asm!("mrs {}, ctr_el0", out(reg) ctr, options(nostack, nomem)) };
    match (ctr >> 24) & 0xf {
        0 => 2048,
        words => 4 << words,
    }
}

/// Writes dirty lines of the range back to memory, by the next barrier.
pub fn clean_lines(range: Range<usize>) {
    let line = data_line();
    let mut at = range.start & !(line - 1);
    while at < range.end {
        // SAFETY: a clean by address changes no data; the range is mapped, as the caller wrote it.
        unsafe { asm!("dc cvac, {}", in(reg) at, options(nostack)) };
        at += line;
    }
}

/// As [`clean_lines`], and afterwards no line of the range is in a cache.
pub fn clean_and_invalidate_lines(range: Range<usize>) {
    let line = data_line();
    let mut at = range.start & !(line - 1);
    while at < range.end {
        // SAFETY: as above; clean comes before invalidate, so no data is lost.
        unsafe { asm!("dc civac, {}", in(reg) at, options(nostack)) };
        at += line;
    }
}

/// Makes what this core wrote to the range visible to observers that do not use caches: a core
/// with its MMU off.
pub fn clean_for_uncached_reader(range: Range<usize>) {
    clean_lines(range);
    complete();
}

/// As [`clean_for_uncached_reader`], and afterwards no line of the range is in a cache: for a guest
/// that begins with its MMU off and reads and writes around the caches.
pub fn clean_and_invalidate(range: Range<usize>) {
    clean_and_invalidate_lines(range);
    complete();
}

/// Waits until all accesses and all maintenance of this core before are complete, for devices as
/// well.
pub fn complete() {
    // SAFETY: a barrier.
    unsafe { asm!("dsb sy", options(nostack)) };
}

/// What is read after is read after what was read from a device before.
pub fn after_device() {
    // SAFETY: a barrier.
    unsafe { asm!("dmb oshld", options(nostack)) };
}

/// Forgets all instructions fetched before, on all cores: new code was written.
pub fn invalidate_instructions() {
    // SAFETY: maintenance only.
    unsafe { asm!("dsb ish", "ic ialluis", "dsb ish", "isb", options(nostack)) };
}
