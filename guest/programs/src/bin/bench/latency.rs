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

use crate::bench::Bench;
use crate::output::{histogram, mean, metric, ratio};

const REQUESTS: u64 = 2000;

pub(crate) fn measure(bench: &mut Bench) -> Result<(), Failure> {
    let mut latencies = Latencies::with_room(&mut bench.guest.memory, REQUESTS as usize);
    let write = write_8b(bench, &mut latencies)?;
    histogram("latency_write_8b", &mut latencies);
    let relay = relay(bench, &mut latencies)?;
    histogram("latency_relay", &mut latencies);
    let hvc = hvc_8b(bench, &mut latencies)?;
    histogram("latency_hvc_8b", &mut latencies);
    metric("write_8b_latency_vs_relay", ratio(write, relay), "ratio");
    metric("hvc_8b_latency_vs_relay", ratio(hvc, relay), "ratio");
    for (name, total) in [
        ("write_8b_ns", write),
        ("relay_ns", relay),
        ("hvc_8b_ns", hvc),
    ] {
        metric(name, mean(total, REQUESTS), "ns");
    }
    Ok(())
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
