//! Loads and stores of device registers, one instruction each.
#![expect(unsafe_code, reason = "device registers are reached by address")]
// UNSAFETY: a register is an address outside Rust's memory. Assembly and not `read_volatile`,
// because EL2 emulates these accesses from the syndrome, and the syndrome is only valid for plain
// single-register forms without write-back (Arm ARM, ESR_EL2, ISS encoding for a data abort, ISV).

use core::arch::asm;

/// Loads the 32-bit register at `address`.
///
/// # Safety
/// `address` is a device register, mapped, aligned, and what its read does is wanted.
pub unsafe fn read32(address: usize) -> u32 {
    let value: u32;
    // SAFETY: the caller says that this is a register it may read.
    unsafe {
        asm!("ldr {v:w}, [{a}]", v = out(reg) value, a = in(reg) address, options(nostack, preserves_flags));
    }
    value
}

/// Stores `value` to the 32-bit register at `address`.
///
/// # Safety
/// `address` is a device register, mapped, aligned, and what its write does is wanted; it is no
/// memory that Rust owns.
pub unsafe fn write32(address: usize, value: u32) {
    // SAFETY: the caller says that this is a register it may write.
    unsafe {
        asm!("str {v:w}, [{a}]", v = in(reg) value, a = in(reg) address, options(nostack, preserves_flags));
    }
}

/// Stores `value` to the 64-bit register at `address`.
///
/// # Safety
/// As of [`write32`].
pub unsafe fn write64(address: usize, value: u64) {
    // SAFETY: the caller says that this is a register it may write.
    unsafe {
        asm!("str {v}, [{a}]", v = in(reg) value, a = in(reg) address, options(nostack, preserves_flags));
    }
}
