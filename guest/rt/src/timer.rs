//! The virtual timer, one shot at a time. It interrupts with [`INTID`]. And the [`physical`] one.

use aarch64_cpu::registers::{CNTV_CTL_EL0, CNTV_CVAL_EL0, Writeable};
use unimux_paravirt::map::TIMER_INTID;

use crate::gic::IntId;
use crate::{barrier, clock};

/// The interrupt that the timer raises on its own vCPU: PPI 11.
pub const INTID: IntId = IntId(TIMER_INTID);

/// Has the timer interrupt this vCPU once, `ns` nanoseconds from now.
pub fn interrupt_in(ns: u64) {
    CNTV_CVAL_EL0.set(clock::ticks() + clock::ns_to_ticks(ns));
    CNTV_CTL_EL0.write(CNTV_CTL_EL0::ENABLE::SET + CNTV_CTL_EL0::IMASK::CLEAR);
    barrier::context();
}

/// Takes the timer's interrupt away. A level interrupt: a handler calls this before it returns.
pub fn stop() {
    CNTV_CTL_EL0.write(CNTV_CTL_EL0::ENABLE::CLEAR);
    barrier::context();
}

/// The physical timer, which a kernel has less use for. It runs with the physical counter, which is the
/// virtual one.
pub mod physical {
    use aarch64_cpu::registers::{CNTP_CTL_EL0, CNTP_TVAL_EL0, Writeable};
    use unimux_paravirt::map::PHYSICAL_TIMER_INTID;

    use crate::gic::IntId;
    use crate::{barrier, clock};

    /// The interrupt that the timer raises on its own vCPU: PPI 14.
    pub const INTID: IntId = IntId(PHYSICAL_TIMER_INTID);

    /// Has the timer interrupt this vCPU once, `ns` nanoseconds from now.
    pub fn interrupt_in(ns: u64) {
        CNTP_TVAL_EL0.set(clock::ns_to_ticks(ns));
        CNTP_CTL_EL0.write(CNTP_CTL_EL0::ENABLE::SET + CNTP_CTL_EL0::IMASK::CLEAR);
        barrier::context();
    }

    /// Takes the timer's interrupt away, as [`super::stop`] does.
    pub fn stop() {
        CNTP_CTL_EL0.write(CNTP_CTL_EL0::ENABLE::CLEAR);
        barrier::context();
    }
}
