//! WRITE and READ of 1 MiB, beside the engine core's plain copy of as many bytes.
//!
//! The copy is the engine core's own loop over the same source; its destination is this guest's
//! buffer and not the helper's, which a hypercall of this guest cannot name.

use unimux_driver::SendWr;
use unimux_guest_rt::{clock, hypercall};
use unimux_programs::failure::Failure;

use crate::bench::{Bench, MIB};
use crate::latency::refused;
use crate::output::{metric, ratio, sample};

const REPETITIONS: u64 = 16;

pub(crate) fn measure(bench: &mut Bench) -> Result<(), Failure> {
    let (mut copies, mut writes, mut reads) = (0, 0, 0);
    let remote = bench.helpers[0].remote;
    let segment = bench.region.segment(0, MIB);
    let source = bench.buffer.ipa();
    let destination = source + u64::from(MIB);
    for _ in 0..REPETITIONS {
        let copy = refused(hypercall::baseline_copy(destination, source, MIB.into()))?;
        copies += copy.cycles;
        writes += cycles_of(bench, &SendWr::write(segment, remote))?;
        reads += cycles_of(bench, &SendWr::read(segment, remote))?;
    }
    metric("write_1mib_vs_copy", ratio(copies, writes), "ratio");
    metric("read_1mib_vs_copy", ratio(copies, reads), "ratio");
    by_size(bench)
}

fn cycles_of(bench: &mut Bench, request: &SendWr) -> Result<u64, Failure> {
    let helper = &mut bench.helpers[0];
    let began = clock::cycles();
    helper.qp.post_send(&request.signaled())?;
    helper.spin()?;
    Ok(clock::cycles() - began)
}

/// Every power of two from 8 bytes to 1 MiB, one request at a time.
fn by_size(bench: &mut Bench) -> Result<(), Failure> {
    let remote = bench.helpers[0].remote;
    let source = bench.buffer.ipa();
    let mut len_bytes = 8;
    while len_bytes <= MIB {
        let (mut copies, mut writes, mut reads) = (0, 0, 0);
        let segment = bench.region.segment(0, len_bytes);
        for _ in 0..REPETITIONS {
            let destination = source + u64::from(MIB);
            copies += refused(hypercall::baseline_copy(
                destination,
                source,
                len_bytes.into(),
            ))?
            .cycles;
            writes += cycles_of(bench, &SendWr::write(segment, remote))?;
            reads += cycles_of(bench, &SendWr::read(segment, remote))?;
        }
        // One cycle is one nanosecond under QEMU, and bytes per microsecond are MB/s.
        let rate = |cycles: u64| u64::from(len_bytes) * REPETITIONS * 1000 / cycles.max(1);
        sample("bandwidth_copy", len_bytes, rate(copies));
        sample("bandwidth_write", len_bytes, rate(writes));
        sample("bandwidth_read", len_bytes, rate(reads));
        len_bytes *= 2;
    }
    Ok(())
}
