//! The EL1 vector table and the registers it saves.
//!
//! All general-purpose registers and none of SIMD: this runtime is compiled without them.
#![expect(unsafe_code, reason = "vectors are assembly")]
// UNSAFETY: an exception arrives between any two instructions; only assembly can save everything.

use core::arch::global_asm;

/// What the interrupted code had in its registers, and why it was interrupted.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Frame {
    /// x0 to x30.
    pub(crate) x: [u64; 31],
    /// Where the exception returns to.
    pub(crate) elr: u64,
    /// PSTATE of the interrupted code.
    pub(crate) spsr: u64,
    /// Syndrome.
    pub(crate) esr: u64,
    /// Faulting address, where the syndrome has one.
    pub(crate) far: u64,
    _keep_sp_aligned: u64,
}

const _: () = {
    assert!(size_of::<Frame>() == 288 && size_of::<Frame>().is_multiple_of(16));
    assert!(core::mem::offset_of!(Frame, elr) == 248);
    assert!(core::mem::offset_of!(Frame, esr) == 264);
};

/// Which of the four kinds of exception it is; the order is that of the vector table.
pub(crate) const SYNCHRONOUS: u64 = 0;
/// An IRQ.
pub(crate) const IRQ: u64 = 1;

// Arm ARM, D1.3.1.5: 16 entries of 128 bytes, four each from the current EL with SP_EL0, with
// SP_ELx, from a lower EL in AArch64 and in AArch32. The program runs at EL1 with SP_EL1; an entry
// from anywhere else gets the kind 4 to 7, which nobody expects.
global_asm!(
    r#"
    .macro guest_vector kind
    .balign 0x80
    sub     sp, sp, #{frame_bytes}
    stp     x0, x1, [sp]
    mov     x0, #\kind
    b       guest_save_and_handle
    .endm

    .pushsection .text.guest_vectors, "ax"
    .balign 0x800
guest_vectors:
    guest_vector 4
    guest_vector 5
    guest_vector 6
    guest_vector 7
    guest_vector 0
    guest_vector 1
    guest_vector 2
    guest_vector 3
    guest_vector 4
    guest_vector 5
    guest_vector 6
    guest_vector 7
    guest_vector 4
    guest_vector 5
    guest_vector 6
    guest_vector 7

guest_save_and_handle:
    stp     x2, x3, [sp, #16]
    stp     x4, x5, [sp, #32]
    stp     x6, x7, [sp, #48]
    stp     x8, x9, [sp, #64]
    stp     x10, x11, [sp, #80]
    stp     x12, x13, [sp, #96]
    stp     x14, x15, [sp, #112]
    stp     x16, x17, [sp, #128]
    stp     x18, x19, [sp, #144]
    stp     x20, x21, [sp, #160]
    stp     x22, x23, [sp, #176]
    stp     x24, x25, [sp, #192]
    stp     x26, x27, [sp, #208]
    stp     x28, x29, [sp, #224]
    mrs     x1, elr_el1
    stp     x30, x1, [sp, #240]
    mrs     x1, spsr_el1
    mrs     x2, esr_el1
    stp     x1, x2, [sp, #256]
    mrs     x1, far_el1
    str     x1, [sp, #272]
    mov     x1, sp
    bl      {handler}
    ldr     x1, [sp, #256]
    msr     spsr_el1, x1
    ldp     x30, x1, [sp, #240]
    msr     elr_el1, x1
    ldp     x28, x29, [sp, #224]
    ldp     x26, x27, [sp, #208]
    ldp     x24, x25, [sp, #192]
    ldp     x22, x23, [sp, #176]
    ldp     x20, x21, [sp, #160]
    ldp     x18, x19, [sp, #144]
    ldp     x16, x17, [sp, #128]
    ldp     x14, x15, [sp, #112]
    ldp     x12, x13, [sp, #96]
    ldp     x10, x11, [sp, #80]
    ldp     x8, x9, [sp, #64]
    ldp     x6, x7, [sp, #48]
    ldp     x4, x5, [sp, #32]
    ldp     x2, x3, [sp, #16]
    ldp     x0, x1, [sp]
    add     sp, sp, #{frame_bytes}
    eret
    .popsection
    "#,
    frame_bytes = const size_of::<Frame>(),
    handler = sym crate::exception::handle,
);
