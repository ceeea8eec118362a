//! WRITE and READ of every size up to 1 MiB, beside the engine core's plain copy of as many bytes.
//!
//! The copy is the engine core's own loop over the same source; its destination is this guest's
//! buffer and not the helper's, which a hypercall of this guest cannot name. The engine core times
//! it, without the way to it and back; a request is timed from post to completion, with them.

use unimux_driver::SendWr;
use unimux_guest_rt::hypercall;
use unimux_programs::failure::Failure;

use crate::bench::{Bench, MIB};
use crate::latency::refused;
use crate::output::{metric, ratio, sample};
use crate::sampling::{Batches, ROUNDS, together};

/// Bytes of a batch, unless it would be more than [`REQUESTS_MAX`] requests.
const BATCH_BYTES: u32 = 64 << 10;
const REQUESTS_MAX: u32 = 32;

/// How far behind the source the destination is, modulo [`REACH_BYTES`], of copies and requests alike.
///
/// QEMU remembers translations in tables in which pages that are a multiple of their size apart
/// displace each other. Guests' RAM begins on such multiples, so that buffers at the same address in
/// two guests would have every access of a copy loop looked up anew, which no hardware does.
const APART_BYTES: u64 = 3 << 19;
/// What such a table covers, or more.
const REACH_BYTES: u64 = 4 << 20;

/// Every power of two from 8 bytes on, one request at a time.
pub(crate) fn measure(bench: &mut Bench) -> Result<(), Failure> {
    let mut len_bytes = 8;
    while len_bytes <= MIB {
        let count = (BATCH_BYTES / len_bytes).clamp(1, REQUESTS_MAX).into();
        let [copy, write, read] = batches_ns(bench, len_bytes, count)?;
        // Bytes per microsecond are MB/s.
        let rate = |ns: u64| u64::from(len_bytes) * count * 1000 / ns.max(1);
        sample("bandwidth_copy", len_bytes, rate(copy));
        sample("bandwidth_write", len_bytes, rate(write));
        sample("bandwidth_read", len_bytes, rate(read));
        if len_bytes == MIB {
            metric("write_1mib_vs_copy", ratio(copy, write), "ratio");
            metric("read_1mib_vs_copy", ratio(copy, read), "ratio");
            metric("copy_1mib_mb_per_s", rate(copy), "MB/s");
        }
        len_bytes *= 2;
    }
    Ok(())
}

/// How long `count` copies, WRITEs and READs take: the median of their batches.
fn batches_ns(bench: &mut Bench, len_bytes: u32, count: u64) -> Result<[u64; 3], Failure> {
    let helper = &mut bench.helpers[0];
    let local = bench.buffer.address();
    let apart = helper.remote.address.wrapping_sub(local);
    let offset = apart.wrapping_sub(APART_BYTES) % REACH_BYTES;
    let segment = bench.region.segment(offset, len_bytes);
    let write = SendWr::write(segment, helper.remote).signaled();
    let read = SendWr::read(segment, helper.remote).signaled();
    let source = local + offset;
    let destination = source + APART_BYTES;
    let [mut copies, mut writes, mut reads] = [const { Batches::new() }; 3];
    for _ in 0..ROUNDS {
        let mut ticks = 0;
        for _ in 0..count {
            let copy = hypercall::baseline_copy(destination, source, len_bytes.into());
            ticks += refused(copy)?.ticks;
        }
        copies.add(ticks);
        for (batches, request) in [(&mut writes, &write), (&mut reads, &read)] {
            batches.add(together(count, || {
                helper.qp.post_send(request)?;
                helper.spin().map(drop)
            })?);
        }
    }
    Ok([copies, writes, reads].map(|mut it| it.median_ns()))
}
