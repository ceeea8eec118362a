//! A helper: does what the measuring guest asks, and sleeps in between.
//!
//! A guest that polled all the time would take its share of every measured moment under `-icount`,
//! where the cores run one after the other, and a core of the host otherwise. So a helper sleeps, and
//! looks now and then.

use unimux_driver::Error;
use unimux_guest_rt::{Function, Guest, barrier, exits, gic, timer};
use unimux_programs::connection::register;
use unimux_programs::failure::Failure;
use unimux_programs::letter::{Letter, Subject};
use unimux_programs::{Buffer, Connection, Session};

use crate::bench::BUFFER_BYTES;
use crate::{fairness, flow, storm, task};

/// Time between two looks for a letter.
const NAP_NS: u64 = 2_000_000;
/// The same where moments are timed in which the helper must not run.
const LONG_NAP_NS: u64 = 200_000_000;

/// Connects to the measuring guest, the first peer, and serves it until it says that it is over.
pub(crate) fn serve(mut guest: Guest) -> Result<(), Failure> {
    let function = guest.expect_function();
    let boss = *function
        .peers()
        .first()
        .ok_or(Failure::Broken("there is no peer"))?;
    let nap_ns = match guest.argument("part") {
        Some("time" | "engine-time") => LONG_NAP_NS,
        _ => NAP_NS,
    };
    gic::start();
    gic::enable(timer::INTID);
    let mut session = Session::open(&function, &mut guest.memory)?;
    let buffer = Buffer::take(&mut guest.memory, BUFFER_BYTES)?;
    let region = register(&mut session, buffer)?;
    let mut connection = Connection::open(&mut session, &mut guest.memory, boss, &region)?;
    loop {
        let letter = sleep_until_letter(&mut session, boss, nap_ns)?;
        let (number, begin) = (letter.number(), letter.value());
        let result = match number {
            task::POLL => poll(&mut session, &function, boss)?,
            task::FLOW => flow::run(&mut connection, &region, fairness::ALIKE, begin)?,
            task::MIXED_FLOW => {
                let len_bytes = fairness::mixed(session.id());
                flow::run(&mut connection, &region, len_bytes, begin)?
            }
            task::SPIN => storm::spin(buffer, begin),
            task::STORM_DOORBELL => storm::ring(&function, begin),
            task::STORM_COMMANDS => storm::command(&mut session, begin)?,
            task::END => 0,
            _ => return Err(Failure::Broken("an unknown task")),
        };
        session.send(boss, Letter::done(number, result))?;
        if number == task::END {
            return Ok(());
        }
    }
}

fn sleep_until_letter(session: &mut Session, boss: u32, nap_ns: u64) -> Result<Letter, Error> {
    loop {
        if let Some(letter) = session.poll(boss, Subject::Task)? {
            return Ok(letter);
        }
        timer::interrupt_in(nap_ns);
        gic::wait(|_| timer::stop());
    }
}

/// Polls until the measuring guest says that it is done, and counts this guest's own exits.
fn poll(session: &mut Session, function: &Function, boss: u32) -> Result<u64, Error> {
    let before = exits::snapshot(function);
    while session.poll(boss, Subject::Reached)?.is_none() {
        barrier::relax();
    }
    Ok(exits::snapshot(function).since(before).total())
}
