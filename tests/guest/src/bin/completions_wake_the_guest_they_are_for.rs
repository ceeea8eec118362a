//! Two guests that share a core sleep for completions: each is woken by its own.
//! scenario: shared
#![no_std]
#![no_main]

use unimux_driver::{ArmKind, Error, Opcode, RecvWr, SendWr};
use unimux_guest_rt::gic::{self, IntId};
use unimux_guest_rt::{Guest, entry, timer};
use unimux_guest_tests::Checks;
use unimux_guest_tests::sleeper::{self, Sleeper};

entry!(main);

const ROUNDS: u64 = 20;
const PATIENCE_NS: u64 = 2_000_000_000;

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
    let first = guest.argument("role") == Some("a");
    gic::start();
    gic::enable_edge(completion);
    gic::enable(timer::INTID);

    let (mut woken, mut completed) = (0, 0);
    for round in 0..ROUNDS {
        let sends = first == (round % 2 == 0);
        let wanted = if sends { Opcode::Send } else { Opcode::Receive };
        if !sends {
            let receive = RecvWr::empty().and(region.segment(0, 8));
            connection.qp.post_recv(&receive)?;
        }
        connection.arm(ArmKind::Next);
        session.meet(peer, round)?;
        if sends {
            let send = SendWr::send_inline(&[7])?.signaled();
            connection.qp.post_send(&send)?;
        }
        // Who sleeps too long is woken by its timer, and the claim fails.
        timer::interrupt_in(PATIENCE_NS);
        woken += u64::from(gic::wait(|_| timer::stop()) == completion);
        let entry = connection.poll()?;
        completed += u64::from(entry.is_some_and(|it| it.opcode == wanted));
    }
    checks.equal(
        "every sleep ends by the completion's interrupt",
        woken,
        ROUNDS,
    );
    checks.equal("and the completion is there", completed, ROUNDS);
    session.meet(peer, ROUNDS)?;
    checks.equal("no interrupt is left over", gic::acknowledge(), None);
    Ok(())
}
