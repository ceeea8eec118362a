//! A guest reaches nothing but its own: not Unimux, not another's memory or doorbell page.
//! scenario: restart
//! log: alice: stopped: data abort
//! log: alice: stopped: instruction abort
//!
//! Every address that stage 1 lets through and that is not this guest's is tried, one in each of
//! Alice's lives. Bob says what to try next, and hears from her only if it was not stopped, or when
//! she has been restarted.
#![no_std]
#![no_main]

use unimux_guest_rt::paravirt::map::{
    COUNTERS_BASE, COUNTERS_SIZE, DOORBELL_BASE, ECAM_BASE, ECAM_SIZE, GICC_BASE, GICC_SIZE,
    INFO_BASE, RAM_BASE, UART_BASE, UART_SIZE,
};
use unimux_guest_rt::{Guest, entry, words};
use unimux_guest_tests::Checks;
use unimux_programs::Session;
use unimux_programs::letter::{Letter, Subject};

entry!(main);

#[derive(Clone, Copy)]
enum Way {
    Load,
    Store,
    Fetch,
}

struct Attempt {
    what: &'static str,
    way: Way,
    address: u64,
}

const fn attempt(what: &'static str, way: Way, address: u64) -> Attempt {
    Attempt { what, way, address }
}

/// RAM ends here in this scenario; beyond it lie, physically, Unimux and the other guests.
const RAM_END: u64 = RAM_BASE + (32 << 20);

const ATTEMPTS: [Attempt; 16] = [
    attempt("a store below everything", Way::Store, 0),
    attempt("a load below everything", Way::Load, 0x1000),
    attempt(
        "a store after a GICv2's CPU interface",
        Way::Store,
        GICC_BASE + GICC_SIZE,
    ),
    attempt(
        "a store to what controls list registers",
        Way::Store,
        0x0803_0000,
    ),
    attempt(
        "a store to a redistributor that is not there",
        Way::Store,
        0x080c_0000,
    ),
    attempt(
        "a store after the console",
        Way::Store,
        UART_BASE + UART_SIZE,
    ),
    attempt(
        "a store before the doorbell page",
        Way::Store,
        DOORBELL_BASE - 8,
    ),
    attempt(
        "a store after the counter page",
        Way::Store,
        COUNTERS_BASE + COUNTERS_SIZE,
    ),
    attempt(
        "a load after the counter page",
        Way::Load,
        COUNTERS_BASE + COUNTERS_SIZE,
    ),
    attempt("a store after RAM", Way::Store, RAM_END),
    attempt("a load after RAM", Way::Load, RAM_END),
    attempt("a fetch after RAM", Way::Fetch, RAM_END),
    attempt("a store far up", Way::Store, 0xffff_fff8),
    attempt("a store to the counter page", Way::Store, COUNTERS_BASE),
    attempt("a store to the info page", Way::Store, INFO_BASE),
    attempt(
        "a store after the PCI bus",
        Way::Store,
        ECAM_BASE + ECAM_SIZE,
    ),
];

fn main(mut guest: Guest) -> i32 {
    let function = guest.expect_function();
    let peer = function.peers()[0];
    let opened = Session::open(&function, &mut guest.memory);
    let session = opened.expect("the function is served");
    if guest.argument("role") == Some("a") {
        alice(session, peer)
    } else {
        bob(session, peer)
    }
}

#[expect(unsafe_code, reason = "goes where it must not")]
fn alice(mut session: Session, peer: u32) -> i32 {
    session
        .send(peer, Letter::reached(0))
        .expect("Bob is there");
    let task = session
        .wait(peer, Subject::Task)
        .expect("Bob says what to do");
    let Some(attempt) = ATTEMPTS.get(task.number() as usize) else {
        return 0;
    };
    let address = attempt.address as usize;
    match attempt.way {
        // SAFETY: none of the addresses holds anything of this program.
        Way::Load => drop(unsafe { words::load(address) }.to_le_bytes()),
        // SAFETY: as above.
        Way::Store => unsafe { words::store(address, 0xbad) },
        // SAFETY: as above.
        Way::Fetch => unsafe { words::jump(address) },
    }
    session
        .send(peer, Letter::done(0, 0))
        .expect("Bob is there");
    1
}

fn bob(mut session: Session, peer: u32) -> i32 {
    let mut checks = Checks::new();
    for number in 0..=ATTEMPTS.len() {
        if let Err(error) = session.wait(peer, Subject::Reached) {
            checks.equal("the other guest lives again", Err(error), Ok(()));
            return checks.code();
        }
        if number > 0 {
            let carried_out = session
                .poll(peer, Subject::Done)
                .is_ok_and(|it| it.is_some());
            checks.equal(ATTEMPTS[number - 1].what, carried_out, false);
        }
        let sent = session.send(peer, Letter::task(number as u64, 0));
        if sent.is_err() {
            checks.equal("the other guest is there", sent, Ok(()));
        }
    }
    checks.code()
}
