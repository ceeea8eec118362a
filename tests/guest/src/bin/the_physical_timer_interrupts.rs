//! The physical timer interrupts as the virtual one does, beside it, and once per shot.
#![no_std]
#![no_main]

use unimux_guest_rt::{Guest, clock, entry, gic, timer};
use unimux_guest_tests::Checks;

entry!(main);

const SOON_NS: u64 = 2_000_000;
const LATER_NS: u64 = 6_000_000;

fn main(_: Guest) -> i32 {
    let mut checks = Checks::new();
    gic::start();
    gic::enable(timer::INTID);
    gic::enable(timer::physical::INTID);
    for _ in 0..3 {
        let began = clock::now_ns();
        timer::physical::interrupt_in(SOON_NS);
        let woken_by = gic::wait(|_| timer::physical::stop());
        checks.equal("it wakes", woken_by, timer::physical::INTID);
        checks.holds("not before its time", clock::now_ns() - began >= SOON_NS);
        checks.equal("once", gic::acknowledge(), None);
    }
    timer::interrupt_in(SOON_NS);
    timer::physical::interrupt_in(LATER_NS);
    let first = gic::wait(|_| timer::stop());
    checks.equal("both run: the virtual one", first, timer::INTID);
    let second = gic::wait(|_| timer::physical::stop());
    checks.equal("and the physical one", second, timer::physical::INTID);
    checks.equal("nothing stays pending", gic::acknowledge(), None);
    checks.code()
}
