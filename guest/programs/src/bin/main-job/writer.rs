//! Role a: has the file, sends it, believes nothing until it has it back.

use unimux_driver::{Access, Opcode, RecvWr, SendWr};
use unimux_guest_rt::exits;
use unimux_programs::Buffer;
use unimux_programs::connection::register;
use unimux_programs::digest::Digest;
use unimux_programs::failure::{Failure, ensure, succeeded};
use unimux_programs::latency::Latencies;
use unimux_programs::letter::{Letter, Subject};

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
    let file: &'static [u8] = guest.take_payload();
    ensure(!file.is_empty(), "the scenario gives role a no payload")?;
    let ipa = file.as_ptr().addr() as u64;
    let len = file.len() as u64;
    let source = session
        .device
        .register_range(session.pd, ipa, len, ipa, Access::empty())?;
    let back = Buffer::take(&mut guest.memory, file.len());
    let back_region = register(&mut session, back)?;
    let samples = operations.max(bulk::chunks(file.len()) as usize);
    let mut latencies = Latencies::with_room(&mut guest.memory, samples);

    session.send(connection.peer, Letter::task(0, len))?;
    let landing = session.wait(connection.peer, Subject::Landing)?.remote();
    let digest_lands = arena_region.segment(hammer::DIGEST, 32);
    connection.qp.post_recv(&RecvWr::new(digest_lands))?;
    let function = guest.expect_function();
    session.meet(connection.peer, point::READY)?;
    let exits_before = exits::snapshot(&function);

    let writes = bulk::carry_out(
        &mut connection,
        "WRITE 1 MiB",
        file.len(),
        &mut latencies,
        |it| {
            let from = source.segment(it.offset, it.len_bytes);
            let to = landing.at(it.offset);
            if it.is_last {
                SendWr::write_imm(from, to, bulk::chunks(file.len()) as u32)
            } else {
                SendWr::write(from, to)
            }
        },
    )?;
    let own_digest = Digest::of_bytes(file);
    let received = succeeded(connection.wait()?)?;
    ensure(received.opcode == Opcode::Receive, "the digest is received")?;
    ensure(received.len_bytes == 32, "a digest is 32 bytes")?;
    ensure(
        digest_in(arena) == own_digest,
        "both guests compute the same SHA-256",
    )?;

    let reads = bulk::carry_out(
        &mut connection,
        "READ 1 MiB",
        file.len(),
        &mut latencies,
        |it| {
            SendWr::read(
                back_region.segment(it.offset, it.len_bytes),
                landing.at(it.offset),
            )
        },
    )?;
    ensure(
        same_bytes(back, file),
        "what comes back is what was sent, byte for byte",
    )?;

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

    let mut rows = heapless::Vec::from_array([writes, reads]);
    rows.extend(small);
    let report = Report {
        rows,
        exits,
        file_bytes: file.len(),
        digest: own_digest,
        digest_of: "of the file; the peer computed the same, and every byte came back",
        counters: session.device.query_counters()?,
    };
    let code = report.conclude();
    session.send(connection.peer, Letter::reached(point::TOLD))?;
    Ok(code)
}

fn digest_in(arena: Buffer) -> Digest {
    let mut digest = [0; 32];
    let first = hammer::DIGEST as usize / 8;
    for (to, word) in digest.as_chunks_mut().0.iter_mut().zip(first..) {
        *to = arena.load(word).to_le_bytes();
    }
    Digest(digest)
}

fn same_bytes(back: Buffer, file: &[u8]) -> bool {
    let (mut left, mut same) = (file, true);
    back.for_bytes(file.len(), |bytes| {
        let (now, later) = left.split_at(bytes.len());
        same &= now == bytes;
        left = later;
    });
    same && left.is_empty()
}
