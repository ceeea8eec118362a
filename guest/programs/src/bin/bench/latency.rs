//! How long an 8-byte WRITE takes, beside a bare relay and beside one hypercall per request.
//!
//! All three between the same two cores: this guest's and the engine's. In the host's time: what a
//! relay costs is the way between two cores, and that takes no instruction.

use core::sync::atomic::Ordering::{Acquire, Release};

use unimux_abi::doorbell::ring_value;
use unimux_driver::SendWr;
use unimux_guest_rt::memory::PAGE_BYTES;
use unimux_guest_rt::paravirt::hypercall::RELAY_ANSWER_OFFSET;
use unimux_guest_rt::{barrier, hypercall, println};
use unimux_programs::failure::{Failure, ensure};
use unimux_programs::latency::Latencies;
use unimux_programs::{Buffer, Connection};

use crate::bench::Bench;
use crate::output::{histogram, mean, metric, ratio};
use crate::sampling::{Batches, ROUNDS, one_by_one, together};

/// Operations of a batch.
const BATCH: u64 = 200;
/// Operations before each batch that are not timed: the engine core comes back from elsewhere.
const WARM_UP: u64 = 20;
/// Rounds in which operations are timed one by one, for the histograms.
const SINGLE_ROUNDS: usize = 20;

pub(crate) fn measure(bench: &mut Bench) -> Result<(), Failure> {
    let room = SINGLE_ROUNDS * BATCH as usize;
    let mut latencies = WAYS.map(|_| unimux_programs::latencies(&mut bench.guest.memory, room));
    let mut batches = WAYS.map(|_| Batches::new());
    let mut path = Path {
        write: SendWr::write_u64(7, bench.helpers[0].remote).signaled(),
        helper: &mut bench.helpers[0],
        page: Buffer::take(&mut bench.guest.memory, PAGE_BYTES)?,
        flag: 0,
        rings: 0,
    };
    for _ in 0..ROUNDS {
        for (batches, way) in batches.iter_mut().zip(WAYS) {
            batches.add(path.batch(way, None)?);
        }
    }
    for _ in 0..SINGLE_ROUNDS {
        for (latencies, way) in latencies.iter_mut().zip(WAYS) {
            path.batch(way, Some(latencies))?;
        }
    }

    let [relay, write, hvc] = batches.map(|mut it| it.median_ns());
    metric("write_8b_latency_vs_relay", ratio(write, relay), "ratio");
    metric("hvc_8b_latency_vs_relay", ratio(hvc, relay), "ratio");
    for (name, total) in [
        ("relay_ns", relay),
        ("write_8b_ns", write),
        ("hvc_8b_ns", hvc),
    ] {
        metric(name, mean(total, BATCH), "ns");
    }
    for (latencies, name) in latencies.iter_mut().zip(NAMES) {
        histogram(name, latencies);
    }
    Ok(())
}

/// From this guest's core to the engine's and back.
#[derive(Clone, Copy)]
enum Way {
    /// The engine core answers a flag with a flag.
    Relay,
    /// A WRITE, from post to completion.
    Write,
    /// A WRITE that EL2 rings for and waits for.
    Hvc,
}

const WAYS: [Way; 3] = [Way::Relay, Way::Write, Way::Hvc];
/// Of their histograms.
const NAMES: [&str; 3] = ["latency_relay", "latency_write_8b", "latency_hvc_8b"];

struct Path<'b> {
    helper: &'b mut Connection,
    write: SendWr,
    /// For the relay's flags.
    page: Buffer,
    flag: u64,
    rings: u32,
}

impl Path<'_> {
    /// The ticks of a batch, with the warm-up before it left out.
    fn batch(&mut self, way: Way, latencies: Option<&mut Latencies>) -> Result<u64, Failure> {
        match way {
            Way::Relay => {
                refused(hypercall::baseline_relay(
                    self.page.address(),
                    WARM_UP + BATCH,
                ))?;
                timed(latencies, || {
                    self.relay();
                    Ok(())
                })
            }
            Way::Write => timed(latencies, || self.write_8b()),
            Way::Hvc => timed(latencies, || self.hvc_8b()),
        }
    }

    fn relay(&mut self) {
        let words = self.page.words();
        self.flag += 1;
        words[0].store(self.flag, Release);
        while words[RELAY_ANSWER_OFFSET as usize / 8].load(Acquire) != self.flag {
            barrier::relax();
        }
    }

    fn write_8b(&mut self) -> Result<(), Failure> {
        self.helper.qp.post_send(&self.write)?;
        self.helper.spin().map(drop)
    }

    fn hvc_8b(&mut self) -> Result<(), Failure> {
        self.helper.qp.enqueue_send(&self.write)?;
        let (head, phase) = self.helper.next_completion();
        self.rings += 1;
        let ring = ring_value(u32::MAX, self.rings);
        refused(hypercall::baseline_hvc_write(ring, head, 1, phase))?;
        let completed = self.helper.poll()?.is_some_and(|it| it.is_success());
        ensure(
            completed,
            "a mediated request is complete when the hypercall returns",
        )
    }
}

fn timed(
    latencies: Option<&mut Latencies>,
    mut operation: impl FnMut() -> Result<(), Failure>,
) -> Result<u64, Failure> {
    together(WARM_UP, &mut operation)?;
    match latencies {
        None => together(BATCH, operation),
        Some(latencies) => one_by_one(BATCH, latencies, operation),
    }
}

/// A refused baseline, as a failure: the scenario must allow them.
pub(crate) fn refused<T>(result: Result<T, hypercall::Refused>) -> Result<T, Failure> {
    result.map_err(|refused| {
        println!("a baseline hypercall was refused with {}", refused.0);
        Failure::Broken("the scenario does not allow baselines")
    })
}
