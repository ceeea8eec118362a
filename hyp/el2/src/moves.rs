//! What the compiler calls to copy and to fill: `memcpy`, `memmove` and `memset`.
//!
//! Those that come with the compiler are seven times as long, as they keep to aligned words. EL2 need not: its map
//! has its memory as Normal, where an unaligned access is allowed while SCTLR_EL2.A is 0 (Arm ARM DDI 0487,
//! B2.5.2), and no Rust object is in device memory. Before the MMU is on, no Rust runs. The bytes of requests are
//! not moved here but by the engine.
#![expect(unsafe_code, reason = "the compiler's own functions are assembly")]
// UNSAFETY: code that the compiler calls by name, as the C standard says what it does (C11 7.24).

use core::arch::global_asm;

// x0 = destination, which is the result as well; x1 = source or, in w1, the byte; x2 = how many.
// Sixteen bytes at a time, then one.
global_asm!(
    ".pushsection .text.moves, \"ax\"",
    ".global memmove, memcpy, memset",
    ".type memmove, %function",
    "memmove:",
    // Only a destination inside the source has to be written from its end.
    "    sub   x3, x0, x1",
    "    cmp   x3, x2",
    "    b.hs  memcpy",
    "    add   x1, x1, x2",
    "    add   x3, x0, x2",
    "1:  subs  x2, x2, #16",
    "    b.lo  2f",
    "    ldp   x4, x5, [x1, #-16]!",
    "    stp   x4, x5, [x3, #-16]!",
    "    b     1b",
    "2:  adds  x2, x2, #16",
    "    b.eq  4f",
    "3:  ldrb  w4, [x1, #-1]!",
    "    strb  w4, [x3, #-1]!",
    "    subs  x2, x2, #1",
    "    b.ne  3b",
    "4:  ret",
    ".size memmove, . - memmove",
    ".type memcpy, %function",
    "memcpy:",
    "    mov   x3, x0",
    "1:  subs  x2, x2, #16",
    "    b.lo  2f",
    "    ldp   x4, x5, [x1], #16",
    "    stp   x4, x5, [x3], #16",
    "    b     1b",
    "2:  adds  x2, x2, #16",
    "    b.eq  4f",
    "3:  ldrb  w4, [x1], #1",
    "    strb  w4, [x3], #1",
    "    subs  x2, x2, #1",
    "    b.ne  3b",
    "4:  ret",
    ".size memcpy, . - memcpy",
    ".type memset, %function",
    "memset:",
    "    mov   x3, x0",
    // The byte, eight times.
    "    and   x1, x1, #0xff",
    "    orr   x1, x1, x1, lsl #8",
    "    orr   x1, x1, x1, lsl #16",
    "    orr   x1, x1, x1, lsl #32",
    "1:  subs  x2, x2, #16",
    "    b.lo  2f",
    "    stp   x1, x1, [x3], #16",
    "    b     1b",
    "2:  adds  x2, x2, #16",
    "    b.eq  4f",
    "3:  strb  w1, [x3], #1",
    "    subs  x2, x2, #1",
    "    b.ne  3b",
    "4:  ret",
    ".size memset, . - memset",
    ".popsection",
);
