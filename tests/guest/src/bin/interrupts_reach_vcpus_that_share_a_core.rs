//! vCPUs that share a core have their interrupts: timers while they sleep or others run, SGIs.
//! scenario: shared
#![no_std]
#![no_main]

use core::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire},
};

use unimux_guest_rt::gic::{self, IntId};
use unimux_guest_rt::{Guest, clock, entry, exception, timer, vcpu};
use unimux_guest_tests::Checks;
use unimux_guest_tests::wait::{comes_true, pass};

entry!(main);

const ROUNDS: u64 = 20;
const DELAY_NS: u64 = 3_000_000;
const PING: IntId = IntId(3);
const PONG: IntId = IntId(4);

static TIMER_INTERRUPTS: AtomicU64 = AtomicU64::new(0);

fn begin() {
    gic::start();
    for intid in [PING, PONG, timer::INTID] {
        gic::enable(intid);
    }
}

/// Sleeps until the timer's interrupt, which comes and is not early.
fn sleeps_as_long_as_it_should() -> bool {
    let began = clock::now_ns();
    timer::interrupt_in(DELAY_NS);
    let woken_by = gic::wait(|_| timer::stop());
    woken_by == timer::INTID && clock::now_ns() - began >= DELAY_NS
}

fn on_interrupt(_: IntId) {
    timer::stop();
    TIMER_INTERRUPTS.fetch_add(1, AcqRel);
}

/// Spins until the timer's interrupt, through turns of others.
fn is_interrupted(round: u64) -> bool {
    timer::interrupt_in(DELAY_NS);
    comes_true(|| TIMER_INTERRUPTS.load(Acquire) == round + 1)
}

/// In the handler for longer than all others' turns are: active, the interrupt does not come again.
fn is_interrupted_once() -> bool {
    timer::interrupt_in(DELAY_NS);
    let mut taken = None;
    comes_true(|| {
        taken = gic::acknowledge();
        taken.is_some()
    });
    let Some(taken) = taken else { return false };
    pass(10 * DELAY_NS);
    timer::stop();
    gic::end(taken);
    pass(DELAY_NS);
    taken.intid() == timer::INTID && gic::acknowledge().is_none()
}

/// The second vCPU: asleep but for an answer to each SGI.
fn second(_: u64) {
    begin();
    for _ in 0..ROUNDS {
        gic::wait(|_| ());
        gic::send(PONG, 0);
    }
}

fn main(guest: Guest) -> i32 {
    let mut checks = Checks::new();
    begin();
    checks.holds(
        "a sleeper is woken by its timer",
        (0..ROUNDS).all(|_| sleeps_as_long_as_it_should()),
    );
    checks.holds(
        "an active interrupt does not come again",
        (0..ROUNDS).all(|_| is_interrupted_once()),
    );
    exception::on_interrupt(on_interrupt);
    exception::unmask_interrupts();
    checks.holds(
        "who runs is interrupted by its timer",
        (0..ROUNDS).all(is_interrupted),
    );
    exception::mask_interrupts();
    checks.equal("once each", TIMER_INTERRUPTS.load(Acquire), ROUNDS);
    if guest.argument("role") == Some("a") {
        checks.equal("another vCPU starts", vcpu::start(1, second, 0), Ok(()));
        pass(DELAY_NS);
        let answered = (0..ROUNDS).all(|_| {
            gic::send(PING, 1);
            gic::wait(|_| ()) == PONG
        });
        checks.holds("they wake each other", answered);
        checks.holds("it stops", comes_true(|| !vcpu::is_on(1)));
    }
    checks.equal("no interrupt is left over", gic::acknowledge(), None);
    checks.code()
}
