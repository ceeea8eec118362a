//! A machine with a DMA engine: what it moves by the engine core, by the DMA engine, and by both.
//!
//! A baseline hypercall changes the crossover, so all of it is one boot.

use unimux_driver::SendWr;
use unimux_guest_rt::hypercall;
use unimux_guest_rt::paravirt::hypercall::CROSSOVER_NEVER;
use unimux_programs::failure::Failure;

use crate::bench::{Bench, MIB};
use crate::latency::refused;
use crate::output::{mean, metric, ratio, sample};
use crate::sampling::{Batches, ROUNDS, together};

/// All to the core, and all to the DMA engine.
const CORE_AND_DMA: [u64; 2] = [CROSSOVER_NEVER, 0];
/// Sizes are the powers of two from this on, up to a MiB.
const SHORTEST_BYTES: u32 = 64;
const SIZES: usize = (MIB / SHORTEST_BYTES).ilog2() as usize + 1;
/// Bytes of a batch, unless it would be more than [`REQUESTS_MAX`] requests.
const BATCH_BYTES: u32 = 256 << 10;
const REQUESTS_MAX: u32 = 32;

/// Requests of which the cost is the mean.
const COUNTED_REQUESTS: u64 = 500;

fn sizes() -> impl Iterator<Item = u32> {
    (0..SIZES).map(|index| SHORTEST_BYTES << index)
}

/// Returns cycles of the engine core.
fn set_crossover(bytes: u64) -> Result<u64, Failure> {
    refused(hypercall::baseline_crossover(bytes))
}

/// Bandwidth by size, of WRITEs one at a time, in the host's time.
pub(crate) fn measure_time(bench: &mut Bench) -> Result<(), Failure> {
    let mut ns = [[0; 2]; SIZES];
    for (ns, len_bytes) in ns.iter_mut().zip(sizes()) {
        *ns = batches_ns(bench, len_bytes, CORE_AND_DMA)?;
        for (series, ns) in ["bandwidth_cpu", "bandwidth_dma"].into_iter().zip(*ns) {
            sample(series, len_bytes, rate(len_bytes, ns));
        }
    }
    let crossover = crossover(&ns);
    metric("crossover_bytes", crossover.unwrap_or(0), "bytes");
    let crossover = crossover.map_or(CROSSOVER_NEVER, u64::from);
    for len_bytes in sizes() {
        let [combined] = batches_ns(bench, len_bytes, [crossover])?;
        sample("bandwidth_combined", len_bytes, rate(len_bytes, combined));
        if len_bytes == MIB {
            let [cpu, dma] = ns[SIZES - 1];
            metric("write_1mib_mb_per_s_cpu", rate(MIB, cpu), "MB/s");
            metric("write_1mib_mb_per_s_dma", rate(MIB, dma), "MB/s");
            metric("write_1mib_mb_per_s_combined", rate(MIB, combined), "MB/s");
        }
    }
    Ok(())
}

/// What requests cost the engine core, by size, in instructions.
pub(crate) fn measure_cost(bench: &mut Bench) -> Result<(), Failure> {
    let mut spent = [[0; 2]; SIZES];
    for (spent, len_bytes) in spent.iter_mut().zip(sizes()) {
        for (spent, crossover) in spent.iter_mut().zip(CORE_AND_DMA) {
            *spent = cycles(bench, len_bytes, crossover)?;
        }
        for (series, spent) in ["instructions_cpu", "instructions_dma"]
            .into_iter()
            .zip(*spent)
        {
            sample(series, len_bytes, spent / COUNTED_REQUESTS);
        }
    }
    let [cpu, dma] = spent[SIZES - 1];
    let each = |total| mean(total, COUNTED_REQUESTS);
    metric("engine_instructions_mib_cpu", each(cpu), "instructions");
    metric("engine_instructions_mib_dma", each(dma), "instructions");
    metric(
        "engine_instructions_mib_cpu_vs_dma",
        ratio(cpu, dma),
        "ratio",
    );
    let crossover = crossover(&spent).unwrap_or(0);
    metric("crossover_instructions_bytes", crossover, "bytes");
    Ok(())
}

/// The size from which on the DMA engine is at least as good, if there is one.
fn crossover(costs: &[[u64; 2]; SIZES]) -> Option<u32> {
    let worse = costs.iter().rposition(|[cpu, dma]| dma > cpu);
    sizes().nth(worse.map_or(0, |index| index + 1))
}

const fn requests(len_bytes: u32) -> u64 {
    let fit = BATCH_BYTES / len_bytes;
    if fit == 0 {
        1
    } else if fit > REQUESTS_MAX {
        REQUESTS_MAX as u64
    } else {
        fit as u64
    }
}

/// Bytes per microsecond, which are MB/s, of a batch.
fn rate(len_bytes: u32, ns: u64) -> u64 {
    u64::from(len_bytes) * requests(len_bytes) * 1000 / ns.max(1)
}

/// How long a batch of WRITEs takes with each of these crossovers: the median.
fn batches_ns<const N: usize>(
    bench: &mut Bench,
    len_bytes: u32,
    crossovers: [u64; N],
) -> Result<[u64; N], Failure> {
    let helper = &mut bench.helpers[0];
    let local = bench.region.segment(0, len_bytes);
    let write = SendWr::write(local, helper.remote).signaled();
    let mut batches = [const { Batches::new() }; N];
    for _ in 0..ROUNDS {
        for (batches, crossover) in batches.iter_mut().zip(crossovers) {
            set_crossover(crossover)?;
            let mut one = || {
                helper.qp.post_send(&write)?;
                helper.spin().map(drop)
            };
            // One that is not timed: the engine core comes back from elsewhere.
            one()?;
            batches.add(together(requests(len_bytes), one)?);
        }
    }
    Ok(batches.map(|mut it| it.median_ns()))
}

/// Cycles of the engine core, which are instructions, for [`COUNTED_REQUESTS`] requests.
fn cycles(bench: &mut Bench, len_bytes: u32, crossover: u64) -> Result<u64, Failure> {
    let helper = &mut bench.helpers[0];
    let local = bench.region.segment(0, len_bytes);
    let write = SendWr::write(local, helper.remote).signaled();
    let before = set_crossover(crossover)?;
    for _ in 0..COUNTED_REQUESTS {
        helper.qp.post_send(&write)?;
        helper.spin()?;
    }
    Ok(set_crossover(crossover)? - before)
}
