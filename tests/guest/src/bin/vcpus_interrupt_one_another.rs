//! vCPUs interrupt one another, and themselves, as often as they say.
#![no_std]
#![no_main]

use core::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Release},
};

use unimux_guest_rt::gic::{self, IntId, Taken};
use unimux_guest_rt::{Guest, entry, vcpu};
use unimux_guest_tests::Checks;
use unimux_guest_tests::wait::comes_true;

const ROUNDS: u64 = 200;

/// SGIs: to the second vCPU, and back; and last, from each to itself. Of two that are pending the
/// lower number comes first.
const PING: IntId = IntId(3);
const PONG: IntId = IntId(4);
const OWN: IntId = IntId(15);

static READY: AtomicU64 = AtomicU64::new(0);
static WRONG: AtomicU64 = AtomicU64::new(0);

entry!(main);

/// The next interrupt, ended; none if it takes too long.
fn next() -> Option<Taken> {
    let mut taken = None;
    comes_true(|| {
        taken = gic::acknowledge();
        taken.is_some()
    });
    if let Some(taken) = taken {
        gic::end(taken);
    }
    taken
}

/// Whether it is this one, from that vCPU if the GIC tells.
fn is(taken: Option<Taken>, intid: IntId, sender: u32) -> bool {
    taken.is_some_and(|it| it.intid() == intid && it.sender().is_none_or(|it| it == sender))
}

fn begin() {
    gic::start();
    for intid in [PING, PONG, OWN] {
        gic::enable(intid);
    }
}

/// The second vCPU: sends back what it gets.
fn second(_: u64) {
    begin();
    READY.store(1, Release);
    for _ in 0..ROUNDS {
        if !is(next(), PING, 0) {
            WRONG.store(1, Release);
            return;
        }
        gic::send(PONG, 0);
    }
    gic::send(OWN, 1);
    if !is(next(), OWN, 1) {
        WRONG.store(2, Release);
    }
    gic::send(OWN, 0);
}

fn main(_: Guest) -> i32 {
    let mut checks = Checks::new();
    begin();
    checks.equal("the second vCPU starts", vcpu::start(1, second, 0), Ok(()));
    checks.holds("it is ready", comes_true(|| READY.load(Acquire) == 1));
    let round = |_| {
        gic::send(PING, 1);
        is(next(), PONG, 1)
    };
    checks.holds("each is answered", (0..ROUNDS).all(round));
    checks.holds("it interrupts vCPU 0", is(next(), OWN, 1));
    checks.holds("it stops", comes_true(|| !vcpu::is_on(1)));
    gic::send(OWN, 0);
    checks.holds("vCPU 0 interrupts itself", is(next(), OWN, 0));
    checks.equal("all were what they should be", WRONG.load(Acquire), 0);
    checks.equal("no interrupt is left over", gic::acknowledge(), None);
    checks.code()
}
