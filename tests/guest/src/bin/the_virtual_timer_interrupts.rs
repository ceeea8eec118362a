//! The virtual timer interrupts: not early, once per shot, through a vector and out of a WFI.
#![no_std]
#![no_main]

use core::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{Acquire, Release},
};

use unimux_guest_rt::gic::{self, IntId};
use unimux_guest_rt::{Guest, barrier, clock, entry, exception, timer};
use unimux_guest_tests::Checks;

const DELAY_NS: u64 = 2_000_000;
const PATIENCE_NS: u64 = 5_000_000_000;

static INTERRUPTS: AtomicU32 = AtomicU32::new(0);
static LAST_AT_NS: AtomicU64 = AtomicU64::new(0);
static STRANGERS: AtomicU32 = AtomicU32::new(0);

entry!(main);

fn on_interrupt(intid: IntId) {
    if intid == timer::INTID {
        timer::stop();
        LAST_AT_NS.store(clock::now_ns(), Release);
        INTERRUPTS.fetch_add(1, Release);
    } else {
        STRANGERS.fetch_add(1, Release);
    }
}

/// Waits for the handler to have run `count` times; false if it takes too long.
fn handled(count: u32) -> bool {
    let began = clock::now_ns();
    while INTERRUPTS.load(Acquire) < count {
        if clock::now_ns() - began > PATIENCE_NS {
            return false;
        }
        barrier::relax();
    }
    true
}

fn main(_: Guest) -> i32 {
    let mut checks = Checks::new();
    gic::start();
    gic::enable(timer::INTID);
    exception::on_interrupt(on_interrupt);
    exception::unmask_interrupts();
    for shot in 1..=3 {
        let began = clock::now_ns();
        timer::interrupt_in(DELAY_NS);
        checks.holds("a running vCPU is interrupted", handled(shot));
        checks.holds(
            "not before its time",
            LAST_AT_NS.load(Acquire) - began >= DELAY_NS,
        );
    }
    checks.equal("one interrupt per shot", INTERRUPTS.load(Acquire), 3);

    exception::mask_interrupts();
    let began = clock::now_ns();
    timer::interrupt_in(DELAY_NS);
    let woken_by = gic::wait(|_| timer::stop());
    checks.equal(
        "a sleeping vCPU is woken by the timer",
        woken_by,
        timer::INTID,
    );
    checks.holds("not before its time", clock::now_ns() - began >= DELAY_NS);
    checks.equal("nothing else interrupts", STRANGERS.load(Acquire), 0);
    checks.equal("nothing stays pending", gic::acknowledge(), None);
    checks.code()
}
