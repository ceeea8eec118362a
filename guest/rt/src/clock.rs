//! Time and cycles, read without an exit.
#![expect(
    unsafe_code,
    reason = "no crate here has the cycle counter's registers"
)]
// UNSAFETY: system registers of the PMU, by MRS and MSR.

use core::arch::asm;

use aarch64_cpu::registers::{CNTFRQ_EL0, CNTVCT_EL0, Readable};

use crate::barrier;

const NS_PER_S: u64 = 1_000_000_000;

/// Ticks of the virtual counter. Not before what precedes it in program order has executed.
pub fn ticks() -> u64 {
    barrier::context();
    CNTVCT_EL0.get()
}

/// Ticks per second.
pub fn frequency_hz() -> u64 {
    CNTFRQ_EL0.get()
}

/// `ticks` in nanoseconds. Whole seconds apart, so that 64 bits are enough.
pub fn ticks_to_ns(ticks: u64) -> u64 {
    let hz = frequency_hz().max(1);
    ticks / hz * NS_PER_S + ticks % hz * NS_PER_S / hz
}

/// `ns` nanoseconds in ticks, rounded up.
pub fn ns_to_ticks(ns: u64) -> u64 {
    let hz = frequency_hz();
    ns / NS_PER_S * hz + (ns % NS_PER_S * hz).div_ceil(NS_PER_S)
}

/// Nanoseconds since the guest's counter began. The virtual counter is common to all guests of a
/// scenario unless EL2 gives them offsets.
pub fn now_ns() -> u64 {
    ticks_to_ns(ticks())
}

/// Whether this vCPU has a cycle counter: where it has a PMU (ID_AA64DFR0_EL1.PMUVer). Unimux gives one
/// to the guests of a scenario with `baseline`.
pub fn has_cycles() -> bool {
    let features: u64;
    // SAFETY: reads an identification register.
    unsafe {
        asm!("mrs {f}, id_aa64dfr0_el1", f = out(reg) features, options(nomem, nostack, preserves_flags))
    };
    // 0xf is a PMU of another architecture.
    !matches!(features >> 8 & 0xf, 0 | 0xf)
}

/// Cycles that this vCPU's core has run, those at EL2 for this guest included: PMCCNTR_EL0. Under QEMU's `-icount shift=0` one cycle is
/// one instruction of the whole machine. An undefined instruction without [`has_cycles`].
pub fn cycles() -> u64 {
    let cycles;
    barrier::context();
    // SAFETY: reads a counter, or is undefined (PMCCNTR_EL0).
    unsafe {
        asm!("mrs {c}, pmccntr_el0", c = out(reg) cycles, options(nomem, nostack, preserves_flags))
    };
    cycles
}

/// Lets the cycle counter of this core run: PMCR_EL0.{E, LC}, PMCNTENSET_EL0.C, and at EL2 too:
/// PMCCFILTR_EL0.NSH (Arm ARM, D19.5). If there is one.
pub(crate) fn start_cycle_counter() {
    if !has_cycles() {
        return;
    }
    // SAFETY: these registers control counters only, and nothing else in the guest uses the PMU.
    unsafe {
        asm!(
            "msr pmccfiltr_el0, {el2_too}",
            "msr pmcntenset_el0, {cycle_counter}",
            "msr pmcr_el0, {enable_long}",
            el2_too = in(reg) 1_u64 << 27,
            cycle_counter = in(reg) 1_u64 << 31,
            enable_long = in(reg) 1_u64 | 1 << 6,
            options(nomem, nostack, preserves_flags),
        );
    }
    barrier::context();
}
