//! Counter, event stream, cycle counter, and the instructions that wait.
#![expect(
    unsafe_code,
    reason = "system registers and hints without a safe wrapper"
)]
// UNSAFETY: PMU and timer registers of this core, and hint instructions.

use core::arch::asm;

use aarch64_cpu::registers::{
    CNTFRQ_EL0, CNTHCTL_EL2, CNTHP_CTL_EL2, CNTPCT_EL0, CNTVOFF_EL2, Readable, Writeable,
};

/// Ticks of the system counter, the same on all cores.
pub fn ticks() -> u64 {
    aarch64_cpu::asm::barrier::isb(aarch64_cpu::asm::barrier::SY);
    CNTPCT_EL0.get()
}

/// Ticks per second.
pub fn ticks_per_second() -> u64 {
    CNTFRQ_EL0.get()
}

/// Ticks in `milliseconds`.
pub fn ticks_in_ms(milliseconds: u64) -> u64 {
    (ticks_per_second() / 1000).saturating_mul(milliseconds)
}

/// Microseconds since the counter began.
pub fn microseconds() -> u64 {
    let (ticks, per_second) = (CNTPCT_EL0.get(), CNTFRQ_EL0.get().max(1));
    let rest = (ticks % per_second) * 1_000_000 / per_second;
    (ticks / per_second) * 1_000_000 + rest
}

/// Lets the guest read the counters, and has the counter send this core an event now and then, so
/// that a WFE at EL2 that missed its event ends all the same.
///
/// CNTHCTL_EL2 (Arm ARM DDI 0487): EL1PCTEN 1 and EL1PCEN 1 leave the physical counter and timer to
/// EL1, to which they are what the virtual ones are, as EL2 needs neither; EVNTI 9 makes an event every 1024 ticks of the counter.
pub fn set_up() {
    CNTHCTL_EL2.set((1 << 0) | (1 << 1) | (1 << 2) | (9 << 4));
    CNTVOFF_EL2.set(0);
}

/// Starts this core's cycle counter, counting at EL2 as well (PMCCFILTR_EL0.NSH, bit 27).
pub fn start_cycle_counter() {
    // SAFETY: PMU registers of this core (Arm ARM DDI 0487, D24.5); nothing else uses them at EL2.
    unsafe {
        asm!(
            "msr pmccfiltr_el0, {filter}",
            "msr pmcntenset_el0, {cycle}",
            "mrs {control}, pmcr_el0",
            // E enables, LC makes it 64 bits, C clears it.
            "orr {control}, {control}, #(1 << 0)",
            "orr {control}, {control}, #(1 << 6)",
            "orr {control}, {control}, #(1 << 2)",
            "msr pmcr_el0, {control}",
            "isb",
            filter = in(reg) 1_u64 << 27,
            cycle = in(reg) 1_u64 << 31,
            control = out(reg) _,
            options(nostack, nomem),
        );
    }
}

/// This core's cycle counter.
pub fn cycles() -> u64 {
    let cycles;
    // SAFETY: reads a counter.
    unsafe { asm!("isb", "mrs {}, pmccntr_el0", out(reg) cycles, options(nostack, nomem)) };
    cycles
}

/// Waits for an event: another core's SEV, an exclusive monitor cleared, or the event stream.
pub fn wait_for_event() {
    aarch64_cpu::asm::wfe();
}

/// Waits for an interrupt, which may be masked.
pub fn wait_for_interrupt() {
    aarch64_cpu::asm::wfi();
}

/// Sleeps for `ticks`, or until an interrupt is pending. For cores on which EL2 takes none: the
/// timer's own wakes the core although it is masked (Arm ARM DDI 0487, D1.6.2), and is gone again
/// before this returns.
pub fn nap(ticks: u64) {
    // The timer runs before the core waits for it.
    set_alarm(Some(CNTPCT_EL0.get().wrapping_add(ticks)));
    wait_for_interrupt();
    set_alarm(None);
}

/// Has the EL2 timer interrupt this core at `at`, by the system counter, or not at all.
pub fn set_alarm(at: Option<u64>) {
    match at {
        Some(at) => {
            set_compare_value(at);
            CNTHP_CTL_EL2.write(CNTHP_CTL_EL2::ENABLE::SET + CNTHP_CTL_EL2::IMASK::CLEAR);
        }
        None => CNTHP_CTL_EL2.write(CNTHP_CTL_EL2::ENABLE::CLEAR),
    }
    aarch64_cpu::asm::barrier::isb(aarch64_cpu::asm::barrier::SY);
}

fn set_compare_value(at: u64) {
    // SAFETY: the compare value of this core's EL2 timer, which only this module uses.
    unsafe { asm!("msr cnthp_cval_el2, {}", in(reg) at, options(nostack, nomem)) };
}

/// Sends all cores an event.
pub fn send_event() {
    aarch64_cpu::asm::sev();
}

/// A short wait in a loop.
pub fn yield_now() {
    // SAFETY: a hint.
    unsafe { asm!("yield", options(nostack, nomem, preserves_flags)) };
}
