//! Measures what others ask it to: what a request costs a bare-metal guest, beside a tenant.
//!
//! `unimux lat PEER --by WITNESS` in a tenant asks by letter. The loops are `unimux_exchange::measure`,
//! as in the tenant's own program. It answers pings as well, sleeps in between, and ends after as many
//! measurements as `measurements=` says, if it says so.
#![no_std]
#![no_main]

use unimux_driver::{Error, MemoryRegion};
use unimux_guest_rt::memory::FreeMemory;
use unimux_guest_rt::{Guest, entry, gic, println, timer};
use unimux_programs::connection::register;
use unimux_programs::failure::{Failure, ensure};
use unimux_programs::letter::{Letter, Subject};
use unimux_programs::measure::{Operation, one_by_one, request, stream};
use unimux_programs::task::{self, Measurement, Question};
use unimux_programs::{Buffer, Connection, Session, latencies};

entry!(main);

/// Time between two looks for a letter.
const NAP_NS: u64 = 10_000_000;
/// The largest request.
const BUFFER_BYTES: usize = 1 << 20;
/// Samples that are kept.
const SAMPLES_MAX: usize = 1 << 16;
/// Requests under way at a time where many are, as of `unimux bw`.
const DEPTH: u64 = 128;

fn main(guest: Guest) -> i32 {
    match serve(guest) {
        Ok(()) => 0,
        Err(failure) => {
            println!("the witness failed: {failure}");
            1
        }
    }
}

fn serve(mut guest: Guest) -> Result<(), Failure> {
    gic::start();
    gic::enable(timer::INTID);
    let function = guest.expect_function();
    let mut session = Session::open(&function, &mut guest.memory)?;
    let buffer = Buffer::take(&mut guest.memory, BUFFER_BYTES)?;
    let region = register(&mut session, buffer)?;
    let mut samples = latencies(&mut guest.memory, SAMPLES_MAX);
    let mut left: u64 = match guest.argument("measurements") {
        Some(count) => count
            .parse()
            .map_err(|_| Failure::Broken("measurements= is a number"))?,
        None => u64::MAX,
    };
    while left > 0 {
        let (asker, letter) = sleep_until_task(&mut session)?;
        let result = match (letter.number(), Measurement::from_word(letter.value())) {
            (task::MEASURE, Some(asked)) => {
                left -= 1;
                let measured = measure(&mut session, &mut guest.memory, &region, asked, |ns| {
                    samples.add(ns);
                });
                let p50_ns = samples.percentiles().p50;
                samples.clear();
                match (measured, asked.question) {
                    (Ok(elapsed_ns), Question::Stream) => elapsed_ns,
                    (Ok(_), Question::Latency) => p50_ns.into(),
                    (Err(failure), _) => {
                        println!("not measured: {failure}");
                        0
                    }
                }
            }
            _ => letter.value(),
        };
        session.send(asker, Letter::done(letter.number(), result))?;
    }
    Ok(())
}

fn sleep_until_task(session: &mut Session) -> Result<(u32, Letter), Error> {
    loop {
        if let Some(found) = session.poll_any(Subject::Task)? {
            return Ok(found);
        }
        timer::interrupt_in(NAP_NS);
        gic::wait(|_| timer::stop());
    }
}

/// Measures on a connection of its own; gives each latency to `each`, and tells how long all took.
fn measure(
    session: &mut Session,
    memory: &mut FreeMemory,
    region: &MemoryRegion,
    asked: Measurement,
    each: impl FnMut(u64),
) -> Result<u64, Failure> {
    ensure(
        asked.len_bytes as usize <= BUFFER_BYTES,
        "a request is 1 MiB at most",
    )?;
    let peer = asked.peer.into();
    let mut connection = Connection::open(session, memory, peer, region)?;
    if asked.operation == Operation::Send {
        session.ask(peer, task::RECEIVE, asked.len_bytes.into())?;
    }
    let (operation, len_bytes) = (asked.operation, asked.len_bytes);
    let request = request(&connection, region, operation, len_bytes, true)?;
    let count = asked.count.into();
    let elapsed_ns = match asked.question {
        Question::Latency => one_by_one(&mut connection, &request, count, each).map(|()| 0)?,
        Question::Stream => stream(&mut connection, &request, count, DEPTH)?,
    };
    session.meet(peer, task::OVER)?;
    session.send(peer, Letter::reached(task::BYE))?;
    connection.close(session)?;
    Ok(elapsed_ns)
}
