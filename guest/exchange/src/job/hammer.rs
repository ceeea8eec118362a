//! Both guests work in each other's arena at the same time, in small operations.
//!
//! Every word of an arena is changed by one guest only, so that each result is known.

use unimux_driver::{MemoryRegion, Platform, SendWr};

use super::{Job, Progress, point};
use crate::digest::Digest;
use crate::failure::{Failure, ensure, succeeded};
use crate::latency::Latencies;
use crate::table::Row;
use crate::{Buffer, Connection};

/// Byte offsets in the arena: what the peer writes, one at a time and in batches.
const WRITTEN: u64 = 0;
const BATCHED: u64 = 64;
/// What the peer adds to.
const ADDED: u64 = 128;
/// Where this guest's own fetch-adds bring the old values.
const FETCHED: u64 = 192;
/// Where the digest arrives: 32 bytes.
pub(super) const DIGEST: u64 = 256;

/// Requests of a batch, of which the last is signaled.
const BATCH: usize = 32;

/// Both guests [`strike`] at the same time; then each checks its own arena.
///
/// # Errors
/// As [`strike`], [`check`] and [`Session::meet`](crate::Session::meet).
pub(super) fn both_strike<P: Platform>(
    job: &mut Job<'_, P>,
    operations: usize,
    progress: &mut impl FnMut(Progress),
) -> Result<[Row; 3], Failure> {
    let peer = job.connection.peer;
    job.session.meet(peer, point::HAMMER)?;
    let (arena, region) = (job.arena, job.arena_region);
    let rows = strike(job.connection, arena, region, operations, job.latencies)?;
    job.session.meet(peer, point::HAMMERED)?;
    progress(Progress::Ended);
    check(arena, operations)?;
    Ok(rows)
}

/// The three kinds of operation, `operations` times each.
///
/// # Errors
/// The first request that did not succeed or fetched another value than it must.
fn strike<P: Platform>(
    connection: &mut Connection<P>,
    arena: Buffer,
    region: &MemoryRegion,
    operations: usize,
    latencies: &mut Latencies,
) -> Result<[Row; 3], Failure> {
    let clock = connection.platform().clone();
    let remote = connection.remote;
    let write = |value| SendWr::write_u64(value, remote.at(WRITTEN)).signaled();
    let writes = one_by_one(
        connection,
        "WRITE 8 B",
        operations,
        latencies,
        |it, count| it.carry_out(&write(count)).map(drop),
    )?;

    let began = clock.now_ns();
    for first in (0..operations).step_by(BATCH) {
        let end = operations.min(first + BATCH);
        for count in first..end {
            let mut wr = SendWr::write_u64(count as u64 + 1, remote.at(BATCHED));
            if count + 1 == end {
                wr = wr.signaled();
            }
            connection.qp.enqueue_send(&wr)?;
        }
        connection.qp.ring();
        succeeded(connection.wait()?)?;
    }
    let batches = Row {
        operation: "WRITE 8 B x 32",
        elapsed_ns: clock.now_ns() - began,
        latency: None,
        ..writes
    };

    let old = region.segment(FETCHED, 8);
    let add = SendWr::fetch_add(old, remote.at(ADDED), 1).signaled();
    let adds = one_by_one(
        connection,
        "FETCH-ADD",
        operations,
        latencies,
        |it, count| {
            it.carry_out(&add)?;
            let fetched = arena.load(FETCHED as usize / 8);
            ensure(
                fetched == count - 1,
                "a fetch-add fetches what the one before left",
            )
        },
    )?;
    Ok([writes, batches, adds])
}

/// Whether the peer's operations have all arrived in this guest's arena.
///
/// # Errors
/// What is missing.
fn check(arena: Buffer, operations: usize) -> Result<(), Failure> {
    let word = |offset: u64| arena.load(offset as usize / 8);
    let last = operations as u64;
    ensure(word(WRITTEN) == last, "the peer's last write arrived")?;
    ensure(word(BATCHED) == last, "the peer's last batch arrived")?;
    ensure(
        word(ADDED) == last,
        "every one of the peer's additions counts",
    )
}

/// Calls `operation` with 1 to `count`, and times each.
fn one_by_one<P: Platform>(
    connection: &mut Connection<P>,
    name: &'static str,
    count: usize,
    latencies: &mut Latencies,
    mut operation: impl FnMut(&mut Connection<P>, u64) -> Result<(), Failure>,
) -> Result<Row, Failure> {
    let clock = connection.platform().clone();
    latencies.clear();
    let began = clock.now_ns();
    let mut before = began;
    for number in 1..=count as u64 {
        operation(connection, number)?;
        let now = clock.now_ns();
        latencies.add(now - before);
        before = now;
    }
    Ok(Row {
        operation: name,
        operations: count as u64,
        bytes: 8 * count as u64,
        elapsed_ns: before - began,
        latency: Some(latencies.percentiles()),
    })
}

/// The digest that the peer sent into `arena`.
pub(super) fn digest_in(arena: Buffer) -> Digest {
    let mut digest = [0; 32];
    let first = DIGEST as usize / 8;
    for (to, word) in digest.as_chunks_mut().0.iter_mut().zip(first..) {
        *to = arena.load(word).to_le_bytes();
    }
    Digest(digest)
}
