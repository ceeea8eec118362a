//! A write outside its map stops the guest that did it, and no other.
//! scenario: pair
//! exit: 1
//! log: alice: stopped: data abort
//!
//! Alice writes just past the end of her RAM while Bob knows her function; Bob is told that she is
//! gone, and goes on.
#![no_std]
#![no_main]

use unimux_driver::{CommandStatus, Error};
use unimux_guest_rt::{Guest, entry, gic, println, timer, words};
use unimux_guest_tests::Checks;
use unimux_guest_tests::wait::comes_true;
use unimux_programs::Session;
use unimux_programs::letter::{Letter, Subject};

entry!(main);

fn main(mut guest: Guest) -> i32 {
    let function = guest.expect_function();
    let peer = function.peers()[0];
    let opened = Session::open(&function, &mut guest.memory);
    let mut session = opened.expect("the function is served");
    if guest.argument("role") == Some("a") {
        alice(&guest, session, peer)
    } else {
        bob(&mut session, peer)
    }
}

#[expect(unsafe_code, reason = "writes where it must not")]
fn alice(guest: &Guest, mut session: Session, peer: u32) -> i32 {
    session.meet(peer, 1).expect("Bob is there");
    println!("about to write outside");
    // SAFETY: past the end of RAM there is nothing of this program.
    unsafe { words::store(guest.ram().end + 0x10_0000, 1) };
    println!("FAILED: the write was carried out, or passed over");
    0
}

fn bob(session: &mut Session, peer: u32) -> i32 {
    let mut checks = Checks::new();
    let met = session.meet(peer, 1);
    checks.equal("both functions work", met, Ok(()));
    let is_gone = comes_true(|| {
        let sent = session.device.message(peer, Letter::reached(2).0);
        matches!(
            sent,
            Err(Error::Refused(
                CommandStatus::NoSuchPeer | CommandStatus::PeerBusy
            ))
        )
    });
    checks.holds("the other's function is taken back", is_gone);
    let unread = session.poll(peer, Subject::Reached);
    checks.equal("nothing more came from it", unread, Ok(None));
    gic::start();
    gic::enable(timer::INTID);
    timer::interrupt_in(1_000_000);
    let woken_by = gic::wait(|_| timer::stop());
    checks.equal("this guest still has its timer", woken_by, timer::INTID);
    checks.equal("and its function", session.device.nop(), Ok(()));
    checks.code()
}
