//! Role b: makes room for the file, computes its SHA-256 from its own memory, and answers.

use unimux_driver::{Opcode, RecvWr, SendWr};
use unimux_guest_rt::{clock, exits};
use unimux_programs::Buffer;
use unimux_programs::connection::register;
use unimux_programs::digest::Digest;
use unimux_programs::failure::{Failure, ensure, succeeded};
use unimux_programs::latency::Latencies;
use unimux_programs::letter::{Letter, Subject};
use unimux_programs::table::Row;

use crate::report::Report;
use crate::{Job, bulk, hammer, point};

/// Runs the role to its report.
///
/// # Errors
/// The first thing that is not as it must be.
pub(crate) fn run(job: Job) -> Result<i32, Failure> {
    let Job {
        mut guest,
        mut session,
        mut connection,
        arena,
        arena_region,
        operations,
    } = job;
    let file_bytes = session.wait(connection.peer, Subject::Task)?.value() as usize;
    let landing = Buffer::take(&mut guest.memory, file_bytes);
    let landing_region = register(&mut session, landing)?;
    let mut latencies = Latencies::with_room(&mut guest.memory, operations);
    connection.qp.post_recv(&RecvWr::empty())?;
    session.send(connection.peer, Letter::landing(&landing_region))?;
    let function = guest.expect_function();
    session.meet(connection.peer, point::READY)?;
    let exits_before = exits::snapshot(&function);

    let arrived = succeeded(connection.wait()?)?;
    ensure(
        arrived.opcode == Opcode::Receive,
        "a write with immediate completes a receive",
    )?;
    let chunks = bulk::chunks(file_bytes) as u32;
    ensure(
        arrived.immediate == Some(chunks),
        "the immediate is the number of chunks",
    )?;
    let digest = Digest::of_buffer(landing, file_bytes);

    let began = clock::now_ns();
    connection.carry_out(&SendWr::send_inline(&digest.0)?.signaled())?;
    let send_ns = clock::now_ns() - began;
    latencies.add(send_ns);
    let send = Row {
        operation: "SEND 32 B",
        operations: 1,
        bytes: 32,
        elapsed_ns: send_ns,
        latency: Some(latencies.percentiles()),
    };

    session.meet(connection.peer, point::HAMMER)?;
    let small = hammer::strike(
        &mut connection,
        arena,
        &arena_region,
        operations,
        &mut latencies,
    )?;
    session.meet(connection.peer, point::HAMMERED)?;
    let exits = exits::snapshot(&function).since(exits_before);
    hammer::check(arena, operations)?;

    let mut rows = heapless::Vec::from_array([send]);
    rows.extend(small);
    let report = Report {
        rows,
        exits,
        file_bytes,
        digest,
        digest_of: "of what arrived here",
        counters: session.device.query_counters()?,
    };
    // One after the other, or the two tables are hard to read.
    session.wait(connection.peer, Subject::Reached)?;
    Ok(report.conclude())
}
