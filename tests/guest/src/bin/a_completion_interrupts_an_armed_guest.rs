//! A completion interrupts a guest that armed its queue: once, and no guest that did not.
//! scenario: pair
#![no_std]
#![no_main]

use unimux_driver::{ArmKind, Error, Opcode, RecvWr, SendWr};
use unimux_guest_rt::exits;
use unimux_guest_rt::gic::{self, IntId};
use unimux_guest_rt::paravirt::ExitReason;
use unimux_guest_rt::{Guest, entry, timer};
use unimux_guest_tests::Checks;
use unimux_guest_tests::sleeper::{self, Sleeper};
use unimux_guest_tests::wait::pass;

entry!(main);

const ROUNDS: u64 = 20;
/// Long enough for the other to be asleep, 5 ms.
const NAP_NS: u64 = 5_000_000;
const PATIENCE_NS: u64 = 1_000_000_000;

fn main(guest: Guest) -> i32 {
    sleeper::main(guest, run)
}

fn run(guest: &Guest, sleeper: Sleeper, checks: &mut Checks) -> Result<(), Error> {
    let Sleeper {
        function,
        peer,
        mut session,
        mut connection,
        region,
    } = sleeper;
    let completion = IntId(function.interrupt);
    gic::start();
    gic::enable_edge(completion);
    gic::enable(timer::INTID);

    if guest.argument("role") == Some("a") {
        let before = exits::snapshot(&function);
        for round in 0..ROUNDS {
            session.meet(peer, round)?;
            pass(NAP_NS);
            connection
                .qp
                .post_send(&SendWr::send_inline(&[7])?.signaled())?;
            connection.wait()?;
        }
        let exits = exits::snapshot(&function).since(before);
        checks.equal(
            "who polls is not interrupted",
            exits.of(ExitReason::Engine),
            0,
        );
        checks.equal("nothing is pending for it", gic::acknowledge(), None);
        return session.meet(peer, ROUNDS);
    }
    let before = exits::snapshot(&function);
    let (mut woken, mut received) = (0, 0);
    for round in 0..ROUNDS {
        connection
            .qp
            .post_recv(&RecvWr::empty().and(region.segment(0, 8)))?;
        let is_there = connection.arm(ArmKind::Next);
        add(&mut received, !is_there);
        session.meet(peer, round)?;
        // Who sleeps too long is woken by its timer, and the claim fails.
        timer::interrupt_in(PATIENCE_NS);
        woken += u64::from(gic::wait(|_| timer::stop()) == completion);
        let arrived = connection.poll()?;
        add(
            &mut received,
            arrived.is_some_and(|it| it.opcode == Opcode::Receive),
        );
    }
    let exits = exits::snapshot(&function).since(before);
    checks.equal(
        "every sleep ends by the completion's interrupt",
        woken,
        ROUNDS,
    );
    checks.equal("and the completion is there", received, 2 * ROUNDS);
    session.meet(peer, ROUNDS)?;
    checks.equal("no interrupt is left over", gic::acknowledge(), None);
    checks.equal("one exit for each", exits.of(ExitReason::Engine), ROUNDS);
    Ok(())
}

fn add(count: &mut u64, holds: bool) {
    *count += u64::from(holds);
}
