//! How long an 8-byte WRITE takes, beside a bare relay and beside one hypercall per request.
//!
//! All three between the same two cores: this guest's and the engine's.

use core::sync::atomic::Ordering::{Acquire, Release};

use unimux_abi::doorbell::ring_value;
use unimux_driver::SendWr;
use unimux_guest_rt::memory::PAGE_BYTES;
use unimux_guest_rt::paravirt::hypercall::RELAY_ANSWER_OFFSET;
use unimux_guest_rt::{barrier, clock, hypercall, println};
use unimux_programs::Buffer;
use unimux_programs::failure::{Failure, ensure};
use unimux_programs::latency::Latencies;

use crate::bench::{Bench, MIB};
use crate::output::{metric, ratio, sample};

const REQUESTS: u64 = 2000;
/// Requests of each size in the plot of sizes.
const PER_SIZE: u64 = 20;

pub(crate) fn measure(bench: &mut Bench) -> Result<(), Failure> {
    let mut latencies = Latencies::with_room(&mut bench.guest.memory, REQUESTS as usize);
    let write = write_8b(bench, &mut latencies)?;
    percentiles("write_8b_latency", &mut latencies);
    let relay = relay(bench, &mut latencies)?;
    percentiles("relay_latency", &mut latencies);
    let hvc = hvc_8b(bench, &mut latencies)?;
    percentiles("hvc_8b_latency", &mut latencies);
    metric("write_8b_latency_vs_relay", ratio(write, relay), "ratio");
    metric("hvc_8b_latency_vs_relay", ratio(hvc, relay), "ratio");
    by_size(bench)
}

/// Runs `operation` for each request and adds up cycles.
fn timed(
    latencies: &mut Latencies,
    mut operation: impl FnMut(u64) -> Result<(), Failure>,
) -> Result<u64, Failure> {
    latencies.clear();
    let mut total = 0;
    for number in 1..=REQUESTS {
        let began = clock::cycles();
        operation(number)?;
        let cycles = clock::cycles() - began;
        latencies.add(cycles);
        total += cycles;
    }
    Ok(total)
}

fn write_8b(bench: &mut Bench, latencies: &mut Latencies) -> Result<u64, Failure> {
    let helper = &mut bench.helpers[0];
    let write = SendWr::write_u64(7, helper.remote).signaled();
    timed(latencies, |_| {
        helper.qp.post_send(&write)?;
        helper.spin().map(drop)
    })
}

fn relay(bench: &mut Bench, latencies: &mut Latencies) -> Result<u64, Failure> {
    let page = Buffer::take(&mut bench.guest.memory, PAGE_BYTES);
    let flag = &page.words()[0];
    let answer = &page.words()[RELAY_ANSWER_OFFSET as usize / 8];
    refused(hypercall::baseline_relay(page.ipa(), REQUESTS))?;
    timed(latencies, |number| {
        flag.store(number, Release);
        while answer.load(Acquire) != number {
            barrier::relax();
        }
        Ok(())
    })
}

fn hvc_8b(bench: &mut Bench, latencies: &mut Latencies) -> Result<u64, Failure> {
    let helper = &mut bench.helpers[0];
    let write = SendWr::write_u64(7, helper.remote).signaled();
    timed(latencies, |number| {
        helper.qp.enqueue_send(&write)?;
        let (head, phase) = helper.next_completion();
        let ring = ring_value(u32::MAX, number as u32);
        refused(hypercall::baseline_hvc_write(ring, head, 1, phase))?;
        let completed = helper.poll()?.is_some_and(|it| it.is_success());
        ensure(
            completed,
            "a mediated request is complete when the hypercall returns",
        )
    })
}

/// A refused baseline, as a failure: the scenario must allow them.
pub(crate) fn refused<T>(result: Result<T, hypercall::Refused>) -> Result<T, Failure> {
    result.map_err(|refused| {
        println!("a baseline hypercall was refused with {}", refused.0);
        Failure::Broken("the scenario does not allow baselines")
    })
}

fn percentiles(series: &str, latencies: &mut Latencies) {
    let it = latencies.percentiles();
    for (percent, value) in [(50, it.p50), (90, it.p90), (99, it.p99), (100, it.max)] {
        sample(series, percent, value);
    }
}

/// WRITE and READ of every power of two from 8 bytes to 1 MiB, one at a time.
fn by_size(bench: &mut Bench) -> Result<(), Failure> {
    let mut len_bytes = 8;
    while len_bytes <= MIB {
        let remote = bench.helpers[0].remote;
        let segment = bench.region.segment(0, len_bytes);
        for (series, request) in [
            ("write_cycles", SendWr::write(segment, remote)),
            ("read_cycles", SendWr::read(segment, remote)),
        ] {
            let helper = &mut bench.helpers[0];
            let began = clock::cycles();
            for _ in 0..PER_SIZE {
                helper.qp.post_send(&request.signaled())?;
                helper.spin()?;
            }
            sample(series, len_bytes, (clock::cycles() - began) / PER_SIZE);
        }
        len_bytes *= 2;
    }
    Ok(())
}
