//! Loads, stores and jumps at any address, for programs that go where they should not.
#![expect(unsafe_code, reason = "hostile on purpose")]
// UNSAFETY: the addresses are outside every Rust object; what the machine does about the access is
// what a test wants to see.

use core::arch::asm;

/// Loads the 64-bit word at `address`.
///
/// # Safety
/// `address` lies in no object that Rust knows; the program is ready for the access to end it.
pub unsafe fn load(address: usize) -> u64 {
    let value;
    // SAFETY: the caller answers for the address.
    unsafe {
        asm!("ldr {v}, [{a}]", v = out(reg) value, a = in(reg) address, options(nostack, preserves_flags))
    };
    value
}

/// Stores `value` to the 64-bit word at `address`.
///
/// # Safety
/// As of [`load`].
pub unsafe fn store(address: usize, value: u64) {
    // SAFETY: the caller answers for the address.
    unsafe {
        asm!("str {v}, [{a}]", v = in(reg) value, a = in(reg) address, options(nostack, preserves_flags))
    };
}

/// Calls `address` as a function without arguments.
///
/// # Safety
/// As of [`load`]; if there is code, it keeps the procedure call standard.
pub unsafe fn jump(address: usize) {
    // SAFETY: the caller answers for the address; all that a call may change is declared.
    unsafe { asm!("blr {a}", a = in(reg) address, clobber_abi("C")) };
}
