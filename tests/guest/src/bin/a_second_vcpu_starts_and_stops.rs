//! A second vCPU starts on PSCI's word with its context, runs beside the first, and stops.
#![no_std]
#![no_main]

use core::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Release},
};

use unimux_guest_rt::psci::status;
use unimux_guest_rt::{Guest, entry, exception, psci, vcpu};
use unimux_guest_tests::Checks;
use unimux_guest_tests::wait::comes_true;

const ROUNDS: u64 = 1000;

static BALL: AtomicU64 = AtomicU64::new(0);
static ARGUMENT: AtomicU64 = AtomicU64::new(0);
static INDEX: AtomicU64 = AtomicU64::new(0);

entry!(main);

/// The second vCPU: returns every even ball as the next odd one.
fn second(argument: u64) {
    ARGUMENT.store(argument, Release);
    INDEX.store(exception::current_vcpu() as u64, Release);
    for round in 1..=ROUNDS {
        if !comes_true(|| BALL.load(Acquire) == 2 * round) {
            return;
        }
        BALL.store(2 * round + 1, Release);
    }
}

fn rally() -> bool {
    (1..=ROUNDS).all(|round| {
        BALL.store(2 * round, Release);
        comes_true(|| BALL.load(Acquire) == 2 * round + 1)
    })
}

fn main(_: Guest) -> i32 {
    let mut checks = Checks::new();
    checks.holds("it is off at first", !vcpu::is_on(1));
    for argument in [0x5eed_0001, 0x5eed_0002] {
        BALL.store(0, Release);
        checks.equal("it starts", vcpu::start(1, second, argument), Ok(()));
        checks.holds(
            "it gets its context",
            comes_true(|| ARGUMENT.load(Acquire) == argument),
        );
        checks.equal(
            "it cannot be started twice",
            vcpu::start(1, second, argument),
            Err(status::ALREADY_ON),
        );
        checks.holds("both run at the same time", rally());
        checks.equal("it knows its number", INDEX.load(Acquire), 1);
        checks.holds("it stops", comes_true(|| !vcpu::is_on(1)));
    }
    checks.equal(
        "a vCPU that does not exist",
        psci::cpu_on(77, vcpu::secondary_entry(), 0),
        status::INVALID_PARAMETERS,
    );
    checks.code()
}
