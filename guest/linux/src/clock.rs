//! The machine's clock, read without a system call.
// UNSAFETY: two system registers that no crate reads in programs.
#![cfg_attr(
    target_arch = "aarch64",
    expect(unsafe_code, reason = "the counter is a system register")
)]

/// Nanoseconds since the machine's counter began.
///
/// The counter itself, as bare-metal guests read it: the C library's clock takes longer than half
/// of a small request, which is what it is used to measure. Linux lets programs read it
/// (CNTKCTL_EL1.EL0VCTEN); where a defect of the processor forbids that, it answers in its place.
#[cfg(target_arch = "aarch64")]
#[inline]
pub(crate) fn now_ns() -> u64 {
    const NS_PER_S: u64 = 1_000_000_000;
    let (ticks, hz): (u64, u64);
    // SAFETY: reads two registers. The ISB keeps the counter from being read before what precedes
    // it in program order has executed (Arm ARM D11.1.2).
    unsafe {
        std::arch::asm!(
            "isb",
            "mrs {ticks}, cntvct_el0",
            "mrs {hz}, cntfrq_el0",
            ticks = out(reg) ticks,
            hz = out(reg) hz,
            options(nomem, nostack, preserves_flags),
        );
    }
    let hz = hz.max(1);
    ticks / hz * NS_PER_S + ticks % hz * NS_PER_S / hz
}

/// Nanoseconds since the machine began.
#[cfg(not(target_arch = "aarch64"))]
pub(crate) fn now_ns() -> u64 {
    use rustix::time::{ClockId, clock_gettime};
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
}
