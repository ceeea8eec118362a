//! What is typed reaches the guest that it is for, in order and by interrupt, and nobody else.
//! scenario: trio
//! type: alice: ready: hello, alice\r
//! type: bob: ready: a line of bob's that is longer than the receive FIFO: 0123456789 \x01 0123456789\r
//! type: mallory: ready: \r
//! type: alice: again: and again\r
#![no_std]
#![no_main]

use heapless::Vec;
use unimux_guest_rt::{Guest, console, entry, gic, println};
use unimux_guest_tests::Checks;
use unimux_guest_tests::wait::comes_true;

/// Longer than every line here.
const LINE_MAX: usize = 128;

entry!(main);

fn main(guest: Guest) -> i32 {
    let mut checks = Checks::new();
    println!("ready");
    // One of them without interrupts.
    let line = if guest.argument("role") == Some("b") {
        by_looking()
    } else {
        gic::start();
        gic::enable(console::INTID);
        console::listen();
        by_interrupt()
    };
    println!("{}", line.escape_ascii());
    if guest.argument("role") == Some("a") {
        println!("again");
        println!("{}", by_interrupt().escape_ascii());
        checks.equal("no interrupt is left over", gic::acknowledge(), None);
    }
    checks.equal("nothing more was typed", console::read(), None);
    checks.code()
}

/// Puts what there is into the line; true when it ends.
fn take(line: &mut Vec<u8, LINE_MAX>) -> bool {
    while let Some(byte) = console::read() {
        if byte == b'\r' || line.push(byte).is_err() {
            return true;
        }
    }
    false
}

fn by_looking() -> Vec<u8, LINE_MAX> {
    let mut line = Vec::new();
    comes_true(|| take(&mut line));
    line
}

fn by_interrupt() -> Vec<u8, LINE_MAX> {
    let mut line = Vec::new();
    let mut is_whole = false;
    while !is_whole {
        gic::wait(|intid| is_whole = intid == console::INTID && take(&mut line));
    }
    line
}
