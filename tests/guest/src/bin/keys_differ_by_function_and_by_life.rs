//! Keys and queue pair numbers have no pattern: not in a function, not between two, not in a new life.
//! scenario: small
//!
//! Alice makes regions and tells Bob their keys, in each of several lives; Bob adds his own. No two
//! may be alike, and every one of the 32 bits must be a coin toss: among so many keys a fair bit is
//! set in less than a quarter or in more than three quarters with a chance below one in 10^9.
#![no_std]
#![no_main]

use heapless::Vec;
use unimux_driver::{Access, CqFlags, Error, QpOptions, bytes_for_qp};
use unimux_guest_rt::memory::{FreeMemory, PAGE_BYTES};
use unimux_guest_rt::{Guest, entry, psci};
use unimux_guest_tests::Checks;
use unimux_programs::letter::{Letter, Subject};
use unimux_programs::{Buffer, Session};

entry!(main);

const LIVES: usize = 5;
/// Regions and queue pairs of a life. Quotas: 32 and 16.
const REGIONS: usize = 16;
const PAIRS: usize = 4;
/// Numbers of a life: an lkey and an rkey of each region, and each queue pair's.
const NUMBERS: usize = 2 * REGIONS + PAIRS;
const ALL: usize = NUMBERS * (LIVES + 1);

fn main(guest: Guest) -> i32 {
    let mut checks = Checks::new();
    let done = if guest.argument("role") == Some("a") {
        tell(guest)
    } else {
        judge(guest, &mut checks)
    };
    checks.equal("all keys were made", done, Ok(()));
    checks.code()
}

/// Makes one life's objects and gives their numbers to `each`.
fn numbers(
    session: &mut Session,
    memory: &mut FreeMemory,
    mut each: impl FnMut(&mut Session, u32) -> Result<(), Error>,
) -> Result<(), Error> {
    let page = Buffer::take(memory, PAGE_BYTES)?.address();
    let pd = session.pd;
    for _ in 0..REGIONS {
        let bytes = PAGE_BYTES as u64;
        let region = session
            .device
            .register_range(pd, page, bytes, page, Access::all())?;
        each(session, region.lkey)?;
        each(session, region.rkey)?;
    }
    let cq_block = Buffer::take(memory, session.device.bytes_for_cq(2) as usize)?.block();
    let cq = session.device.create_cq(2, CqFlags::empty(), cq_block)?;
    for _ in 0..PAIRS {
        let options = QpOptions {
            send_entries: 2,
            recv_entries: 2,
        };
        let block = Buffer::take(memory, bytes_for_qp(2, 2) as usize)?.block();
        let qp = session.device.create_qp(pd, &cq, &cq, options, block)?;
        each(session, qp.number())?;
    }
    Ok(())
}

fn tell(mut guest: Guest) -> Result<(), Error> {
    let function = guest.expect_function();
    let peer = function.peers()[0];
    let mut session = Session::open(&function, &mut guest.memory)?;
    let memory = &mut guest.memory;
    // More letters follow than a driver keeps while it waits for answers of its own: not before
    // Bob does nothing but listen.
    session.meet(peer, 0)?;
    numbers(&mut session, memory, |session, number| {
        session.send(peer, Letter::done(number.into(), 0))
    })?;
    if session.wait(peer, Subject::Task)?.number() == 0 {
        return Ok(());
    }
    let _refused = psci::system_reset();
    Err(Error::Timeout)
}

fn judge(mut guest: Guest, checks: &mut Checks) -> Result<(), Error> {
    let function = guest.expect_function();
    let peer = function.peers()[0];
    let mut session = Session::open(&function, &mut guest.memory)?;
    let mut all: Vec<u32, ALL> = Vec::new();
    let memory = &mut guest.memory;
    numbers(&mut session, memory, |_, number| {
        all.extend([number]);
        Ok(())
    })?;
    for life in (0..LIVES).rev() {
        // Alice's word comes first: an answer before it could reach her old life.
        session.wait(peer, Subject::Reached)?;
        session.send(peer, Letter::reached(0))?;
        for _ in 0..NUMBERS {
            all.extend([session.wait(peer, Subject::Done)?.number() as u32]);
        }
        session.send(peer, Letter::task(life as u64, 0))?;
    }
    checks.equal("all numbers are told", all.len(), ALL);
    // A generator that counts, by whatever step, makes the same step twice.
    let mut steps: Vec<u32, ALL> = Vec::new();
    steps.extend(all.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])));
    checks.equal(
        "no step from one to the next is made twice",
        repetitions(&mut steps),
        0,
    );
    checks.equal("no two are alike", repetitions(&mut all), 0);
    let biased = (0..32).find(|bit| {
        let set = all.iter().filter(|number| **number >> bit & 1 != 0).count();
        set * 4 < ALL || set * 4 > ALL * 3
    });
    checks.equal("every bit is a coin toss", biased, None);
    Ok(())
}

/// How many of `numbers` are there already; sorts them.
fn repetitions(numbers: &mut [u32]) -> usize {
    numbers.sort_unstable();
    numbers.windows(2).filter(|pair| pair[0] == pair[1]).count()
}
