//! vCPUs of two guests share a core: each has its turns, though none ever leaves on its own.
//! scenario: shared
#![no_std]
#![no_main]

use core::hint::black_box;
use core::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Release},
};

use unimux_guest_rt::{Guest, clock, entry, vcpu};
use unimux_guest_tests::Checks;

entry!(main);

/// Whose turn it is: vCPU 0's if even, vCPU 1's if odd.
static BALL: AtomicU64 = AtomicU64::new(0);
const THROWS: u64 = 40;

/// Throws the ball whenever it comes, and spins until then.
fn play(own: u64) {
    loop {
        let ball = BALL.load(Acquire);
        if ball >= THROWS {
            return;
        }
        if ball % 2 == own {
            BALL.store(ball + 1, Release);
        }
        // No hint that it waits.
        black_box(ball);
    }
}

/// Longer than an instruction takes while one has the core.
const PAUSE_NS: u64 = 1_000_000;
const PAUSES: u32 = 20;
const PATIENCE_NS: u64 = 20_000_000_000;

/// Whether the clock jumps as often as it should, which it does when another has the core.
fn is_paused() -> bool {
    let began = clock::now_ns();
    let (mut last, mut pauses) = (began, 0);
    while pauses < PAUSES && last - began < PATIENCE_NS {
        let now = clock::now_ns();
        pauses += u32::from(now - last > PAUSE_NS);
        last = now;
    }
    pauses == PAUSES
}

fn main(guest: Guest) -> i32 {
    let mut checks = Checks::new();
    if guest.argument("role") == Some("a") {
        checks.equal("another vCPU starts", vcpu::start(1, play, 1), Ok(()));
        play(0);
        checks.equal("both had their turns", BALL.load(Acquire), THROWS);
    } else {
        checks.holds("others have turns meanwhile", is_paused());
    }
    checks.code()
}
