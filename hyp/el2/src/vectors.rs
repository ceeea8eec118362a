//! The exception vectors of EL2.
//!
//! From a guest: all general registers and the syndrome go into the vCPU's frame, then the call of
//! [`enter_guest`] returns, so that an exit reads as a function's result. No floating-point or SIMD
//! register is touched; the guest's stay in place.
//!
//! From EL2 itself: always a fault of Unimux, since EL2 never unmasks interrupts. Registers go on
//! the stack, or on the spare stack if this one is full.
#![expect(unsafe_code, reason = "vectors and world switch are assembly")]
// UNSAFETY: code entered by hardware, and the symbols it is known by.

use core::{arch::global_asm, mem::offset_of};

use crate::{fault::OwnFault, layout::STACK_SIZE, vcpu::Frame};

unsafe extern "C" {
    /// The vector table, for VBAR_EL2.
    pub(crate) fn vectors();

    /// Runs a guest from `frame` until it leaves EL1, and stores its state there. Returns the
    /// kind of the exception: 0 synchronous, 1 IRQ, 2 FIQ, 3 SError.
    ///
    /// # Safety
    /// `frame` is valid and the core's EL2 registers say which guest runs, and under what stage 2.
    pub(crate) fn enter_guest(frame: *mut Frame) -> u64;
}

// The table has 16 entries of 32 instructions (Arm ARM DDI 0487, D1.3.1.5): current EL with SP_EL0,
// current EL with SP_ELx, lower EL AArch64, lower EL AArch32; each synchronous, IRQ, FIQ, SError.
global_asm!(
    ".pushsection .vectors, \"ax\"",
    ".macro own, kind",
    ".balign 128",
    "    sub   sp, sp, #{own_size}",
    // Is sp still in the upper half of its slot? Without a register to spare: add and subtract.
    "    add   sp, sp, x0",
    "    sub   x0, sp, x0",
    "    tbz   x0, #{stack_bit}, 1f",
    "    sub   x0, sp, x0",
    "    sub   sp, sp, x0",
    "    stp   x0, x1, [sp]",
    "    add   x0, sp, #{own_size}",
    "    mov   x1, #\\kind",
    "    b     own_fault_entry",
    // Full. The run is over: the guest's thread registers make room.
    "1:",
    "    msr   tpidr_el0, x0",
    "    sub   x0, sp, x0",
    "    msr   tpidrro_el0, x0",
    "    adrp  x0, {spare}",
    "    add   x0, x0, #{spare_size}",
    "    sub   sp, x0, #{own_size}",
    "    mrs   x0, tpidrro_el0",
    "    stp   x0, x1, [sp]",
    "    mrs   x0, tpidr_el0",
    "    add   x0, x0, #{own_size}",
    "    mov   x1, #\\kind",
    "    b     own_fault_entry",
    ".endm",
    ".macro guest, kind",
    ".balign 128",
    "    stp   x0, x1, [sp, #-16]!",
    "    mov   x1, #\\kind",
    "    b     guest_exit",
    ".endm",
    ".balign 2048",
    ".global vectors",
    ".type vectors, %function",
    "vectors:",
    "own 0", "own 1", "own 2", "own 3",
    "own 0", "own 1", "own 2", "own 3",
    "guest 0", "guest 1", "guest 2", "guest 3",
    "guest 0", "guest 1", "guest 2", "guest 3",
    // In the rest of the last entry, which it fills.
    // x0 = sp at the fault, x1 = kind; x0 and x1 of the fault are stored.
    "own_fault_entry:",
    "    stp   x2, x3, [sp, #16]",
    "    stp   x4, x5, [sp, #32]",
    "    stp   x6, x7, [sp, #48]",
    "    stp   x8, x9, [sp, #64]",
    "    stp   x10, x11, [sp, #80]",
    "    stp   x12, x13, [sp, #96]",
    "    stp   x14, x15, [sp, #112]",
    "    stp   x16, x17, [sp, #128]",
    "    stp   x18, x19, [sp, #144]",
    "    stp   x20, x21, [sp, #160]",
    "    stp   x22, x23, [sp, #176]",
    "    stp   x24, x25, [sp, #192]",
    "    stp   x26, x27, [sp, #208]",
    "    stp   x28, x29, [sp, #224]",
    "    stp   x30, x0, [sp, #240]",
    "    mrs   x2, elr_el2",
    "    mrs   x3, spsr_el2",
    "    mrs   x4, esr_el2",
    "    mrs   x5, far_el2",
    "    stp   x2, x3, [sp, #{own_elr}]",
    "    stp   x4, x5, [sp, #{own_esr}]",
    "    mov   x0, sp",
    "    b     {own_fault}",
    ".size vectors, . - vectors",
    ".popsection",
    ".pushsection .text.exceptions, \"ax\"",
    // x1 = kind; the guest's x0 and x1 are on the stack, above them what enter_guest keeps.
    "guest_exit:",
    "    ldr   x0, [sp, #16]",
    "    stp   x2, x3, [x0, #16]",
    "    stp   x4, x5, [x0, #32]",
    "    stp   x6, x7, [x0, #48]",
    "    stp   x8, x9, [x0, #64]",
    "    stp   x10, x11, [x0, #80]",
    "    stp   x12, x13, [x0, #96]",
    "    stp   x14, x15, [x0, #112]",
    "    stp   x16, x17, [x0, #128]",
    "    stp   x18, x19, [x0, #144]",
    "    stp   x20, x21, [x0, #160]",
    "    stp   x22, x23, [x0, #176]",
    "    stp   x24, x25, [x0, #192]",
    "    stp   x26, x27, [x0, #208]",
    "    stp   x28, x29, [x0, #224]",
    "    str   x30, [x0, #240]",
    "    ldp   x2, x3, [sp], #16",
    "    stp   x2, x3, [x0]",
    "    mrs   x2, elr_el2",
    "    mrs   x3, spsr_el2",
    "    mrs   x4, esr_el2",
    "    mrs   x5, far_el2",
    "    mrs   x6, hpfar_el2",
    "    stp   x2, x3, [x0, #{elr}]",
    "    stp   x4, x5, [x0, #{esr}]",
    "    str   x6, [x0, #{hpfar}]",
    "    mov   x0, x1",
    "    ldp   x19, x20, [sp, #16]",
    "    ldp   x21, x22, [sp, #32]",
    "    ldp   x23, x24, [sp, #48]",
    "    ldp   x25, x26, [sp, #64]",
    "    ldp   x27, x28, [sp, #80]",
    "    ldp   x29, x30, [sp, #96]",
    "    add   sp, sp, #{kept}",
    "    ret",
    ".global enter_guest",
    ".type enter_guest, %function",
    "enter_guest:",
    "    sub   sp, sp, #{kept}",
    "    str   x0, [sp]",
    "    stp   x19, x20, [sp, #16]",
    "    stp   x21, x22, [sp, #32]",
    "    stp   x23, x24, [sp, #48]",
    "    stp   x25, x26, [sp, #64]",
    "    stp   x27, x28, [sp, #80]",
    "    stp   x29, x30, [sp, #96]",
    "    ldp   x1, x2, [x0, #{elr}]",
    "    msr   elr_el2, x1",
    "    msr   spsr_el2, x2",
    "    ldp   x2, x3, [x0, #16]",
    "    ldp   x4, x5, [x0, #32]",
    "    ldp   x6, x7, [x0, #48]",
    "    ldp   x8, x9, [x0, #64]",
    "    ldp   x10, x11, [x0, #80]",
    "    ldp   x12, x13, [x0, #96]",
    "    ldp   x14, x15, [x0, #112]",
    "    ldp   x16, x17, [x0, #128]",
    "    ldp   x18, x19, [x0, #144]",
    "    ldp   x20, x21, [x0, #160]",
    "    ldp   x22, x23, [x0, #176]",
    "    ldp   x24, x25, [x0, #192]",
    "    ldp   x26, x27, [x0, #208]",
    "    ldp   x28, x29, [x0, #224]",
    "    ldr   x30, [x0, #240]",
    "    ldp   x0, x1, [x0]",
    "    eret",
    // A core must not speculate past the return.
    "    dsb   nsh",
    "    isb",
    ".size enter_guest, . - enter_guest",
    ".purgem own",
    ".purgem guest",
    ".popsection",
    own_size = const size_of::<OwnFault>(),
    own_elr = const offset_of!(OwnFault, elr),
    own_esr = const offset_of!(OwnFault, esr),
    own_fault = sym crate::fault::own_fault,
    stack_bit = const STACK_SIZE.trailing_zeros(),
    spare = sym SPARE_STACK,
    spare_size = const SPARE_SIZE,
    elr = const offset_of!(Frame, elr),
    esr = const offset_of!(Frame, esr),
    hpfar = const offset_of!(Frame, hpfar),
    // The frame's address and x19 to x30, with a word to keep the stack aligned.
    kept = const 14 * 8,
);

const SPARE_SIZE: usize = 8192;

/// Where a core whose stack is full says its last words.
#[repr(C, align(4096))]
struct SpareStack([u8; SPARE_SIZE]);

static mut SPARE_STACK: SpareStack = SpareStack([0; SPARE_SIZE]);
