//! What a vCPU has in its core, SIMD and system registers, survives the turns of others.
//! scenario: shared
#![no_std]
#![no_main]

use core::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Release},
};

use unimux_guest_rt::{Guest, entry, gic, simd, timer, vcpu};
use unimux_guest_tests::Checks;
use unimux_guest_tests::system::SystemRegisters;
use unimux_guest_tests::wait::{comes_true, pass};

entry!(main);

/// Rounds of a vCPU, each longer than the turns of all others.
const ROUNDS: u64 = 12;
const ROUND_NS: u64 = 20_000_000;

static SECOND: AtomicU64 = AtomicU64::new(0);
const KEPT: u64 = 1;
const LOST: u64 = 2;

/// Values of which no two vCPUs, rounds or registers have the same.
fn simd_values(seed: u64) -> simd::Registers {
    core::array::from_fn(|register| {
        let number = 2 * register as u64;
        [number, number + 1].map(|half| (seed + half).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    })
}

fn all_survive(seed: u64, wait: impl Fn()) -> bool {
    let round = |round| {
        let seed = (seed << 32) + 1000 * round;
        let system = SystemRegisters::of_seed(seed);
        simd::fill(&simd_values(seed));
        system.set();
        wait();
        simd::read() == simd_values(seed) && SystemRegisters::get() == system
    };
    (0..ROUNDS).all(round)
}

fn second(seed: u64) {
    let kept = all_survive(seed, || pass(ROUND_NS));
    SECOND.store(if kept { KEPT } else { LOST }, Release);
}

fn main(guest: Guest) -> i32 {
    let mut checks = Checks::new();
    if guest.argument("role") == Some("a") {
        checks.equal("another vCPU starts", vcpu::start(1, second, 1), Ok(()));
        checks.holds("vCPU 0 keeps its own", all_survive(2, || pass(ROUND_NS)));
        comes_true(|| SECOND.load(Acquire) != 0);
        checks.equal("vCPU 1 keeps its own", SECOND.load(Acquire), KEPT);
    } else {
        checks.holds("another guest does", all_survive(3, || pass(ROUND_NS)));
        gic::start();
        gic::enable(timer::INTID);
        let sleep = || {
            timer::interrupt_in(ROUND_NS / 10);
            gic::wait(|_| timer::stop());
        };
        checks.holds("and if it sleeps", all_survive(4, sleep));
    }
    checks.code()
}
