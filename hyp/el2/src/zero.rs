//! Clears memory as fast as the core can.
//!
//! Source: Arm ARM DDI 0487, C5.3 (DC ZVA) and D24.2 (DCZID_EL0).
#![expect(unsafe_code, reason = "DC ZVA writes memory by address")]
// UNSAFETY: one instruction that zeroes a block of memory.

use core::arch::asm;

use unimux_memory::Span;

/// Bytes that a DC ZVA zeroes; `None` if it is not to be used here.
fn block_bytes() -> Option<u64> {
    let dczid: u64;
    // SAFETY: reads an identification register.
    unsafe { asm!("mrs {}, dczid_el0", out(reg) dczid, options(nostack, nomem)) };
    let prohibited = dczid & 1 << 4 != 0;
    // BS: log2 of the block in words of 4 bytes.
    (!prohibited).then_some(4 << (dczid & 0xf))
}

/// Zeroes `span`. Nobody who must see it whole reads it meanwhile.
///
/// # Panics
/// If it is not made of whole words. The core takes an alignment fault if it is mapped as device
/// memory, which no memory of a guest is at EL2.
pub fn zero(span: Span) {
    match block_bytes() {
        Some(block) if span.pa().is_aligned(block) && span.len_bytes().is_multiple_of(block) => {
            zero_blocks(span, block);
        }
        _ => zero_words(span),
    }
}

fn zero_blocks(span: Span, block: u64) {
    let mut at = span.pa().get();
    let end = at + span.len_bytes();
    while at < end {
        // SAFETY: 1. The block lies in a span: it is mapped writable and no Rust object is in it.
        // 2. It is written as if by a store to each byte. A word that is read meanwhile may be half
        // cleared: a value like any other in memory that guests write, of which nothing is believed.
        unsafe { asm!("dc zva, {}", in(reg) at, options(nostack)) };
        at += block;
    }
}

fn zero_words(span: Span) {
    for word in 0..span.len_bytes() / 8 {
        let written = span.write(8 * word, &[0]);
        written.expect("a whole aligned word of the span");
    }
}
