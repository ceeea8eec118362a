//! The file as a sequence of large requests, a few of them under way at a time.

use unimux_driver::{Platform, SendWr};

use crate::Connection;
use crate::failure::{Failure, ensure, succeeded};
use crate::latency::Latencies;
use crate::table::Row;

/// Bytes of one request.
const CHUNK_BYTES: usize = 1 << 20;
/// Requests under way at a time.
const DEPTH: u64 = 4;

/// One piece of the file.
#[derive(Clone, Copy)]
pub(super) struct Chunk {
    pub(super) offset: u64,
    pub(super) len_bytes: u32,
    pub(super) is_last: bool,
}

/// How many requests a file of `len_bytes` takes.
#[must_use]
pub fn chunks(len_bytes: usize) -> u64 {
    len_bytes.div_ceil(CHUNK_BYTES) as u64
}

fn chunk(index: u64, len_bytes: usize) -> Chunk {
    let offset = index as usize * CHUNK_BYTES;
    Chunk {
        offset: offset as u64,
        len_bytes: (len_bytes - offset).min(CHUNK_BYTES) as u32,
        is_last: index + 1 == chunks(len_bytes),
    }
}

/// Moves a file of `len_bytes`, one `request` per chunk, and answers with the row of the table.
///
/// # Errors
/// The first request that did not succeed, or moved another number of bytes.
pub(super) fn carry_out<P: Platform>(
    connection: &mut Connection<P>,
    operation: &'static str,
    len_bytes: usize,
    latencies: &mut Latencies,
    request: impl Fn(Chunk) -> SendWr,
    mut moved: impl FnMut(u64),
) -> Result<Row, Failure> {
    let count = chunks(len_bytes);
    let mut posted_at = [0; DEPTH as usize];
    let (mut posted, mut done) = (0, 0);
    let clock = connection.platform().clone();
    latencies.clear();
    let began = clock.now_ns();
    while done < count {
        while posted < count && posted - done < DEPTH {
            posted_at[(posted % DEPTH) as usize] = clock.now_ns();
            let wr = request(chunk(posted, len_bytes)).id(posted).signaled();
            connection.qp.post_send(&wr)?;
            posted += 1;
        }
        let completion = succeeded(connection.wait()?)?;
        ensure(
            completion.id == done,
            "requests of one queue pair complete in order",
        )?;
        let chunk = chunk(done, len_bytes);
        ensure(
            completion.len_bytes == chunk.len_bytes,
            "a request moves all its bytes",
        )?;
        moved(chunk.offset + u64::from(chunk.len_bytes));
        latencies.add(clock.now_ns() - posted_at[(done % DEPTH) as usize]);
        done += 1;
    }
    Ok(Row {
        operation,
        operations: count,
        bytes: len_bytes as u64,
        elapsed_ns: clock.now_ns() - began,
        latency: Some(latencies.percentiles()),
    })
}
