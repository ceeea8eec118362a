//! Two vCPUs of a core that wake each other and sleep do so for some 10,000 instructions each time.
//! scenario: shared
//! clock: instructions
//!
//! Of each change of turns: an SGI that exits, its physical interrupt, a WFI that exits, the switch.
#![no_std]
#![no_main]

use unimux_guest_rt::gic::{self, IntId};
use unimux_guest_rt::{Guest, clock, entry, vcpu};
use unimux_guest_tests::Checks;
use unimux_guest_tests::wait::{comes_true, pass};

entry!(main);

const ROUNDS: u64 = 1000;
const PING: IntId = IntId(3);
const PONG: IntId = IntId(4);
/// Nanoseconds, of which an instruction takes one, in a build that checks itself; those of the engine core,
/// which looks for work now and then, are among them.
const COST_MAX: u64 = 12_000;

/// Sends back what it gets.
fn second(_: u64) {
    gic::start();
    gic::enable(PING);
    for _ in 0..ROUNDS {
        gic::wait(|_| ());
        gic::send(PONG, 0);
    }
}

fn main(guest: Guest) -> i32 {
    let mut checks = Checks::new();
    if guest.argument("role") != Some("a") {
        return checks.code();
    }
    gic::start();
    gic::enable(PONG);
    checks.equal("another vCPU starts", vcpu::start(1, second, 0), Ok(()));
    pass(50_000_000);
    let began = clock::now_ns();
    let answered = (0..ROUNDS).all(|_| {
        gic::send(PING, 1);
        gic::wait(|_| ()) == PONG
    });
    let cost = (clock::now_ns() - began) / (2 * ROUNDS);
    checks.holds("each wakes the other", answered);
    if cost > COST_MAX {
        checks.equal("nanoseconds of a change", cost, COST_MAX);
    }
    checks.holds("it stops", comes_true(|| !vcpu::is_on(1)));
    checks.code()
}
