//! Moving bytes with wide loads and stores.
//!
//! Nothing is said here about caches: source and destination are cacheable on every core.
// UNSAFETY: the copy is an assembly routine that is called with addresses.
#![expect(unsafe_code, reason = "the copy is an assembly routine on addresses")]

use core::arch::global_asm;

use unimux_memory::Span;

// x0 destination, x1 source, x2 length in bytes; leaf, no stack; uses x3, x9 to x16 (as x and
// w), q0 to q7.
//
// The destination is aligned to 16 first, because an unaligned store is what costs on a
// Cortex-A53 (every store that crosses 16 bytes is two; Cortex-A53 Software Optimization Guide,
// "Load and store alignment"). The loop moves 128 bytes with four LDP and four STP of q
// registers; the source is touched 512 bytes ahead, into L1 and not to be kept.
//
// An aligned 8-byte copy is one load and one store, so a flag is never seen half written.
global_asm!(
    r#"
    .arch_extension fp
    .arch_extension simd
    .pushsection .text.unimux_copy_bytes, "ax"
    .balign 64
    .global unimux_copy_bytes
    .type unimux_copy_bytes, %function
unimux_copy_bytes:
    cmp     x2, #128
    b.lo    5f
    neg     x3, x0
    ands    x3, x3, #15
    b.eq    2f
    sub     x2, x2, x3
1:  ldrb    w9, [x1], #1
    strb    w9, [x0], #1
    subs    x3, x3, #1
    b.ne    1b
2:  subs    x2, x2, #128
    b.lo    4f
3:  prfm    pldl1strm, [x1, #512]
    ldp     q0, q1, [x1]
    ldp     q2, q3, [x1, #32]
    prfm    pldl1strm, [x1, #576]
    ldp     q4, q5, [x1, #64]
    ldp     q6, q7, [x1, #96]
    add     x1, x1, #128
    stp     q0, q1, [x0]
    stp     q2, q3, [x0, #32]
    stp     q4, q5, [x0, #64]
    stp     q6, q7, [x0, #96]
    add     x0, x0, #128
    subs    x2, x2, #128
    b.hs    3b
4:  adds    x2, x2, #128
    b.eq    12f
5:  tbz     x2, #6, 6f
    ldp     q0, q1, [x1]
    ldp     q2, q3, [x1, #32]
    add     x1, x1, #64
    stp     q0, q1, [x0]
    stp     q2, q3, [x0, #32]
    add     x0, x0, #64
6:  tbz     x2, #5, 7f
    ldp     q0, q1, [x1], #32
    stp     q0, q1, [x0], #32
7:  tbz     x2, #4, 8f
    ldr     q0, [x1], #16
    str     q0, [x0], #16
8:  tbz     x2, #3, 9f
    ldr     x9, [x1], #8
    str     x9, [x0], #8
9:  tbz     x2, #2, 10f
    ldr     w9, [x1], #4
    str     w9, [x0], #4
10: tbz     x2, #1, 11f
    ldrh    w9, [x1], #2
    strh    w9, [x0], #2
11: tbz     x2, #0, 12f
    ldrb    w9, [x1]
    strb    w9, [x0]
12: ret
    .size unimux_copy_bytes, . - unimux_copy_bytes
    .popsection
"#
);

unsafe extern "C" {
    /// Copies `len_bytes` bytes.
    ///
    /// # Safety
    ///
    /// 1. Both ranges are mapped, readable and writable respectively, and hold no Rust object.
    /// 2. q0 to q7 hold nothing that anybody needs, and may be used.
    fn unimux_copy_bytes(destination: u64, source: u64, len_bytes: u64);
}

/// Moves all of `source` to `destination`, which is as long.
pub(super) fn copy(source: Span, destination: Span) {
    // SAFETY: 1. Spans are mapped readable and writable and hold no Rust object; the two are
    // equally long (`Copy::new`). 2. `CpuEngine` asks this of whoever makes one.
    unsafe {
        unimux_copy_bytes(
            destination.pa().get(),
            source.pa().get(),
            source.len_bytes(),
        );
    }
}
