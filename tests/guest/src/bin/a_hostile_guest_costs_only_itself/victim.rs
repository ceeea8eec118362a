//! The victims: Alice writes to Bob and reads back; Bob lends the memory.

use unimux_driver::SendWr;
use unimux_guest_rt::Guest;
use unimux_guest_tests::Checks;
use unimux_programs::connection::register;
use unimux_programs::failure::{Failure, ensure};
use unimux_programs::letter::{Letter, Subject};
use unimux_programs::{Buffer, Connection, Session};

use crate::attacks::ATTACKS;
use crate::function::{ALICE, BOB, MALLORY};

const BYTES: u32 = 64 << 10;
/// Rounds that are made even if an attack is over at once.
const ROUNDS_MIN: u64 = 8;

/// Alice: writes and reads back while each attack goes on.
pub(crate) fn write(mut guest: Guest, checks: &mut Checks) -> Result<(), Failure> {
    let mut session = Session::open(&guest.expect_function(), &mut guest.memory)?;
    let there = Buffer::take(&mut guest.memory, BYTES as usize)?;
    let back = Buffer::take(&mut guest.memory, BYTES as usize)?;
    let from = register(&mut session, there)?;
    let to = register(&mut session, back)?;
    let mut connection = Connection::open(&mut session, &mut guest.memory, BOB, &from)?;
    let remote = connection.remote;
    let (mut seed, mut exact) = (0, true);
    for attack in 0..ATTACKS.len() as u64 {
        session.send(MALLORY, Letter::task(attack, 0))?;
        let (mut rounds, mut is_over) = (0, false);
        while !is_over || rounds < ROUNDS_MIN {
            seed += 1;
            there.fill_pattern(seed);
            connection.carry_out(&SendWr::write(from.segment(0, BYTES), remote).signaled())?;
            connection.carry_out(&SendWr::read(to.segment(0, BYTES), remote).signaled())?;
            exact &= back.pattern_mismatch(seed, BYTES as usize / 8).is_none();
            is_over |= session.poll(MALLORY, Subject::Done)?.is_some();
            rounds += 1;
        }
    }
    checks.holds("every byte came back as it was sent", exact);
    session.send(BOB, Letter::done(0, 0))?;
    Ok(())
}

/// Bob: lends his memory until Alice is done.
pub(crate) fn lend(mut guest: Guest) -> Result<(), Failure> {
    let mut session = Session::open(&guest.expect_function(), &mut guest.memory)?;
    let buffer = Buffer::take(&mut guest.memory, BYTES as usize)?;
    let region = register(&mut session, buffer)?;
    let connection = Connection::open(&mut session, &mut guest.memory, ALICE, &region)?;
    session.wait(ALICE, Subject::Done)?;
    ensure(buffer.load(0) != 0, "something was written here")?;
    Ok(connection.close(&mut session)?)
}
