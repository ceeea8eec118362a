//! A vCPU goes off on a core that it shares, its timer about to fire: its neighbours run on.
//! scenario: shared
//!
//! EL2's timer stands in for those of vCPUs that wait. One that is off does not wait.
#![no_std]
#![no_main]

use unimux_guest_rt::{Guest, clock, entry, timer, vcpu};
use unimux_guest_tests::Checks;

entry!(main);

/// When the timer fires, after its vCPU is off.
const SOON_NS: u64 = 20_000_000;
/// How long the neighbours spin: far longer than that.
const SPIN_NS: u64 = 1_000_000_000;

/// Goes off when it returns.
fn leave_the_timer_on(ns: u64) {
    timer::interrupt_in(ns);
}

fn main(guest: Guest) -> i32 {
    let mut checks = Checks::new();
    if guest.argument("role") == Some("a") {
        let started = vcpu::start(1, leave_the_timer_on, SOON_NS);
        checks.equal("another vCPU starts", started, Ok(()));
    }
    let end = clock::now_ns() + SPIN_NS;
    let mut looks = 0_u64;
    while clock::now_ns() < end {
        looks += 1;
    }
    checks.holds("the core is its neighbours'", looks > 1000);
    checks.code()
}
