//! The reader: makes room for the file, computes its SHA-256 from its own memory, and answers.

use unimux_driver::{MemoryRegion, Opcode, Platform, RecvWr, SendWr};

use super::{Job, Outcome, Progress, bulk, hammer, point};
use crate::digest::Digest;
use crate::failure::{Failure, ensure, succeeded};
use crate::letter::{Letter, Subject};
use crate::table::Row;
use crate::{Buffer, Connection, Session};

/// What the writer says of its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announced {
    /// How long it is: believed only as far as there is room.
    pub file_bytes: u64,
    /// Small operations of each kind that both will do.
    pub operations: u64,
}

/// Where the file goes.
#[derive(Clone, Copy, Debug)]
pub struct Landing<'a> {
    /// The memory.
    pub buffer: Buffer,
    /// Its region.
    pub region: &'a MemoryRegion,
    /// How long the file is.
    pub file_bytes: usize,
}

/// Waits for the writer's word on its file.
///
/// # Errors
/// As [`Session::wait`].
pub fn expect_file<P: Platform>(
    session: &mut Session<P>,
    connection: &Connection<P>,
) -> Result<Announced, Failure> {
    let task = session.wait(connection.peer, Subject::Task)?;
    Ok(Announced {
        file_bytes: task.value(),
        operations: task.number(),
    })
}

/// Receives the file into `landing` and hammers as often as the writer does. Waits until the
/// writer has shown its results.
///
/// # Errors
/// The first thing that is not as it must be.
pub fn receive<P: Platform>(
    mut job: Job<'_, P>,
    landing: &Landing<'_>,
    operations: usize,
    mut progress: impl FnMut(Progress),
) -> Result<Outcome, Failure> {
    let Job {
        session,
        connection,
        latencies,
        ..
    } = &mut job;
    let file_bytes = landing.file_bytes;
    let clock = connection.platform().clone();
    connection.qp.post_recv(&RecvWr::empty())?;
    session.send(connection.peer, Letter::landing(landing.region))?;
    session.meet(connection.peer, point::READY)?;
    progress(Progress::Begun);

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
    progress(Progress::Moved(file_bytes as u64));
    let digest = Digest::of_buffer(landing.buffer, file_bytes);

    let began = clock.now_ns();
    connection.carry_out(&SendWr::send_inline(&digest.0)?.signaled())?;
    let send_ns = clock.now_ns() - began;
    latencies.clear();
    latencies.add(send_ns);
    let send = Row {
        operation: "SEND 32 B",
        operations: 1,
        bytes: 32,
        elapsed_ns: send_ns,
        latency: Some(latencies.percentiles()),
    };
    let mut rows = heapless::Vec::from_array([send]);

    rows.extend(hammer::both_strike(&mut job, operations, &mut progress)?);
    // One after the other, or the two tables are hard to read.
    job.session.wait(job.connection.peer, Subject::Reached)?;
    Ok(Outcome {
        rows,
        digest,
        file_bytes,
    })
}
