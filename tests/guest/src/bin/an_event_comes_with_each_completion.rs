//! An event comes with each completion that a guest armed for, whatever it does to INTA.
//! scenario: pair
#![no_std]
#![no_main]

use unimux_driver::{ArmKind, Error, RecvWr, SendWr};
use unimux_guest_rt::exits;
use unimux_guest_rt::gic::{self, IntId};
use unimux_guest_rt::paravirt::{ExitReason, map};
use unimux_guest_rt::{Guest, entry, mmio, timer};
use unimux_guest_tests::Checks;
use unimux_guest_tests::sleeper::{self, Sleeper};
use unimux_guest_tests::wait::pass;

entry!(main);

const ROUNDS: u64 = 20;
/// Long enough for the other to be asleep, 5 ms.
const NAP_NS: u64 = 5_000_000;
const PATIENCE_NS: u64 = 1_000_000_000;

const EVENT: IntId = IntId(map::EVENT_INTID);
const INTA: IntId = IntId(map::COMPLETION_INTID);

/// The command register of device 1, and its interrupt disable bit (PCI Local Bus Specification 3.0,
/// 6.2.2).
const COMMAND: usize = map::ECAM_BASE as usize + (1 << 15) + 4;
const INTERRUPT_DISABLE: u32 = 1 << 10;

fn main(guest: Guest) -> i32 {
    sleeper::main(guest, run)
}

#[expect(unsafe_code, reason = "configuration space is reached by address")]
fn command(value: u32) {
    // SAFETY: the register is in the bus that the device tree describes, and its write changes the
    // delivery of an interrupt and no memory.
    unsafe { mmio::write32(COMMAND, value) }
}

fn run(guest: &Guest, sleeper: Sleeper, checks: &mut Checks) -> Result<(), Error> {
    let Sleeper {
        function,
        peer,
        mut session,
        mut connection,
        region,
    } = sleeper;

    if guest.argument("role") == Some("a") {
        for round in 0..ROUNDS {
            session.meet(peer, round)?;
            pass(NAP_NS);
            connection
                .qp
                .post_send(&SendWr::send_inline(&[7])?.signaled())?;
            connection.wait()?;
        }
        return session.meet(peer, ROUNDS);
    }
    gic::start();
    gic::enable_edge(EVENT);
    gic::enable_edge(INTA);
    gic::enable(timer::INTID);
    command(INTERRUPT_DISABLE);
    let before = exits::snapshot(&function);
    let mut woken = 0;
    for round in 0..ROUNDS {
        connection
            .qp
            .post_recv(&RecvWr::empty().and(region.segment(0, 8)))?;
        connection.arm(ArmKind::Next);
        session.meet(peer, round)?;
        // Who sleeps too long is woken by its timer, and the claim fails.
        timer::interrupt_in(PATIENCE_NS);
        woken += u64::from(gic::wait(|_| timer::stop()) == EVENT);
        connection.poll()?;
    }
    let exits = exits::snapshot(&function).since(before);
    session.meet(peer, ROUNDS)?;
    checks.equal("every sleep ends by the event", woken, ROUNDS);
    checks.equal("one exit for each", exits.of(ExitReason::Engine), ROUNDS);
    checks.equal("nothing else is pending", gic::acknowledge(), None);
    command(0);
    let inta = gic::acknowledge().map(|taken| {
        gic::end(taken);
        taken.intid()
    });
    checks.equal("INTA comes when it may", inta, Some(INTA));
    checks.equal("once", gic::acknowledge(), None);
    Ok(())
}
