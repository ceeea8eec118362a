//! The SIMD registers, for tests of who changes them. No other code of a guest uses them.
#![expect(
    unsafe_code,
    reason = "the registers have no name in Rust on this target"
)]
// UNSAFETY: the softfloat target knows no SIMD registers, so nothing but these two functions uses
// them, and assembly need not declare them as clobbered.

use core::arch::asm;

/// All 32 registers, 128 bits each, as little-endian halves.
pub type Registers = [[u64; 2]; 32];

/// Loads q0 to q31 from `values`.
pub fn fill(values: &Registers) {
    // SAFETY: reads 512 bytes, the size of `values`; changes only registers that compiled code does
    // not use on this target.
    unsafe {
        asm!(
            ".arch_extension simd",
            "ldp q0, q1, [{p}]", "ldp q2, q3, [{p}, #32]", "ldp q4, q5, [{p}, #64]",
            "ldp q6, q7, [{p}, #96]", "ldp q8, q9, [{p}, #128]", "ldp q10, q11, [{p}, #160]",
            "ldp q12, q13, [{p}, #192]", "ldp q14, q15, [{p}, #224]", "ldp q16, q17, [{p}, #256]",
            "ldp q18, q19, [{p}, #288]", "ldp q20, q21, [{p}, #320]", "ldp q22, q23, [{p}, #352]",
            "ldp q24, q25, [{p}, #384]", "ldp q26, q27, [{p}, #416]", "ldp q28, q29, [{p}, #448]",
            "ldp q30, q31, [{p}, #480]",
            p = in(reg) values, options(nostack, preserves_flags, readonly),
        );
    }
}

/// What q0 to q31 hold.
pub fn read() -> Registers {
    let mut values: Registers = [[0; 2]; 32];
    // SAFETY: writes 512 bytes, the size of `values`, to a live local.
    unsafe {
        asm!(
            ".arch_extension simd",
            "stp q0, q1, [{p}]", "stp q2, q3, [{p}, #32]", "stp q4, q5, [{p}, #64]",
            "stp q6, q7, [{p}, #96]", "stp q8, q9, [{p}, #128]", "stp q10, q11, [{p}, #160]",
            "stp q12, q13, [{p}, #192]", "stp q14, q15, [{p}, #224]", "stp q16, q17, [{p}, #256]",
            "stp q18, q19, [{p}, #288]", "stp q20, q21, [{p}, #320]", "stp q22, q23, [{p}, #352]",
            "stp q24, q25, [{p}, #384]", "stp q26, q27, [{p}, #416]", "stp q28, q29, [{p}, #448]",
            "stp q30, q31, [{p}, #480]",
            p = in(reg) &raw mut values, options(nostack, preserves_flags),
        );
    }
    values
}
