//! The writer: has the file, sends it, believes nothing until the peer has its digest.

use unimux_driver::{Error, MemoryRegion, Opcode, Platform, RecvWr, Remote, SendWr};

use super::{Job, Outcome, Progress, bulk, hammer, point};
use crate::digest::Digest;
use crate::failure::{Failure, ensure, succeeded};
use crate::letter::{Letter, Subject};
use crate::{Buffer, Connection, Session};

/// The bytes of a file, wherever they are.
pub trait Source {
    /// Their digest.
    fn digest(&self) -> Digest;

    /// Whether the first bytes of `buffer` are these.
    fn is_in(&self, buffer: Buffer) -> bool;
}

impl Source for &[u8] {
    fn digest(&self) -> Digest {
        Digest::of_bytes(self)
    }

    fn is_in(&self, buffer: Buffer) -> bool {
        let (mut left, mut same) = (*self, true);
        buffer.for_bytes(self.len(), |bytes| {
            let (now, later) = left.split_at(bytes.len());
            same &= now == bytes;
            left = later;
        });
        same && left.is_empty()
    }
}

/// A file to send.
#[derive(Debug)]
pub struct File<'a, S> {
    /// Its bytes.
    pub source: S,
    /// How many.
    pub len_bytes: usize,
    /// The region that they stand in, from its beginning.
    pub region: &'a MemoryRegion,
    /// Where they are read back to, if they are.
    pub back: Option<(Buffer, &'a MemoryRegion)>,
}

/// Sends `file` and hammers `operations` times with each kind of small operation.
///
/// # Errors
/// The first thing that is not as it must be.
pub fn send<P: Platform, S: Source>(
    mut job: Job<'_, P>,
    file: &File<'_, S>,
    operations: usize,
    mut progress: impl FnMut(Progress),
) -> Result<Outcome, Failure> {
    let Job {
        session,
        connection,
        arena,
        arena_region,
        latencies,
    } = &mut job;
    let len = file.len_bytes;
    ensure(len > 0, "there is a file that is not empty")?;
    session.send(connection.peer, Letter::task(operations as u64, len as u64))?;
    let landing = landing(session, connection.peer)?;
    let digest_lands = arena_region.segment(hammer::DIGEST, 32);
    connection.qp.post_recv(&RecvWr::new(digest_lands))?;
    session.meet(connection.peer, point::READY)?;
    progress(Progress::Begun);

    let writes = bulk::carry_out(
        connection,
        "WRITE 1 MiB",
        len,
        latencies,
        |it| {
            let from = file.region.segment(it.offset, it.len_bytes);
            let to = landing.at(it.offset);
            if it.is_last {
                SendWr::write_imm(from, to, bulk::chunks(len) as u32)
            } else {
                SendWr::write(from, to)
            }
        },
        |bytes| progress(Progress::Moved(bytes)),
    )?;
    let digest = file.source.digest();
    let received = succeeded(connection.wait()?)?;
    ensure(received.opcode == Opcode::Receive, "the digest is received")?;
    ensure(received.len_bytes == 32, "a digest is 32 bytes")?;
    ensure(
        hammer::digest_in(*arena) == digest,
        "both guests compute the same SHA-256",
    )?;
    let mut rows = heapless::Vec::from_array([writes]);

    if let Some((back, region)) = file.back {
        let reads = bulk::carry_out(
            connection,
            "READ 1 MiB",
            len,
            latencies,
            |it| {
                SendWr::read(
                    region.segment(it.offset, it.len_bytes),
                    landing.at(it.offset),
                )
            },
            |bytes| progress(Progress::Moved(bytes)),
        )?;
        ensure(
            file.source.is_in(back),
            "what comes back is what was sent, byte for byte",
        )?;
        rows.extend([reads]);
    }

    rows.extend(hammer::both_strike(&mut job, operations, &mut progress)?);
    Ok(Outcome {
        rows,
        digest,
        file_bytes: len,
    })
}

/// Waits for the memory that the peer brings for the file.
fn landing<P: Platform>(session: &mut Session<P>, peer: u32) -> Result<Remote, Failure> {
    session.look_for(session.patience_ns, |session| {
        if let Some(letter) = session.poll(peer, Subject::Landing)? {
            return Ok(Some(letter.remote()));
        }
        // Who serves all kinds of tasks takes a file's announcement for one.
        let is_done = session.poll(peer, Subject::Done)?.is_some();
        ensure(
            !is_done,
            "the peer takes no file now: it serves, where it should receive (`unimux recv`)",
        )?;
        Ok(None)
    })
}

/// Tells the reader that the results are shown, so that two tables do not mix.
///
/// # Errors
/// As [`Session::send`].
pub fn told<P: Platform>(
    session: &mut Session<P>,
    connection: &Connection<P>,
) -> Result<(), Error> {
    session.send(connection.peer, Letter::reached(point::TOLD))
}
