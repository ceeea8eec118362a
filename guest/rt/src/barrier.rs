//! Barriers and hints by the name of what they are for.
//!
//! Not the ordering of the RDMA rings: their driver uses atomics for that.

use aarch64_cpu::asm;
use aarch64_cpu::asm::barrier::{self, ISH, SY};

/// Orders all earlier memory accesses of this vCPU before all later ones, as every observer in the
/// machine sees them, devices included.
pub fn all_observers() {
    barrier::dsb(SY);
}

/// Orders earlier accesses before later ones, as the guest's other vCPUs see them.
pub fn other_vcpus() {
    barrier::dmb(ISH);
}

/// Makes earlier system register writes take effect for the next instruction.
pub fn context() {
    barrier::isb(SY);
}

/// Sleeps until an event: another core's [`send_event`], or a change of a monitored word.
pub fn wait_for_event() {
    asm::wfe();
}

/// Wakes every core that sleeps in [`wait_for_event`]. Does not exit to EL2.
pub fn send_event() {
    barrier::dsb(ISH);
    asm::sev();
}

/// Sleeps until an interrupt is pending, even a masked one.
pub fn wait_for_interrupt() {
    barrier::dsb(SY);
    asm::wfi();
}

/// One turn of a loop that polls. A `YIELD`, since `core::hint::spin_loop` is an ISB on this
/// target; QEMU hands over to its next vCPU on it.
pub fn relax() {
    #[expect(unsafe_code, reason = "no crate has the hint")]
    // UNSAFETY: one hint instruction.
    // SAFETY: YIELD has no effect on registers or memory (Arm ARM, C6.2).
    unsafe {
        core::arch::asm!("yield", options(nomem, nostack, preserves_flags));
    }
}
