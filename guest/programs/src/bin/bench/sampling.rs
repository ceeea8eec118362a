//! Comparing durations on a machine that also does other things.
//!
//! What is compared takes turns in short batches, many rounds of them, and of each the median batch
//! counts. A host that is slow for a while is slow for all alike, and a vCPU that the host put aside
//! spoils one batch of many instead of a mean. Batches and not single operations, as the counter may
//! tick as slowly as the operation (62.5 MHz under QEMU).

use unimux_guest_rt::clock;
use unimux_programs::failure::Failure;
use unimux_programs::latency::Latencies;

/// Rounds of batches. Odd, so that one of them is the median.
pub(crate) const ROUNDS: usize = 51;

/// How long each round's batch took, in ticks.
pub(crate) struct Batches {
    ticks: [u64; ROUNDS],
    len: usize,
}

impl Batches {
    pub(crate) const fn new() -> Self {
        Self {
            ticks: [0; ROUNDS],
            len: 0,
        }
    }

    /// Adds a batch; one too many is left out.
    pub(crate) fn add(&mut self, ticks: u64) {
        if let Some(place) = self.ticks.get_mut(self.len) {
            *place = ticks;
            self.len += 1;
        }
    }

    /// The median batch in nanoseconds; zero without batches.
    pub(crate) fn median_ns(&mut self) -> u64 {
        let ticks = &mut self.ticks[..self.len];
        ticks.sort_unstable();
        ticks
            .get(ticks.len() / 2)
            .map_or(0, |&ticks| clock::ticks_to_ns(ticks))
    }
}

/// Ticks that `count` operations take together.
pub(crate) fn together(
    count: u64,
    mut operation: impl FnMut() -> Result<(), Failure>,
) -> Result<u64, Failure> {
    let began = clock::ticks();
    for _ in 0..count {
        operation()?;
    }
    Ok(clock::ticks() - began)
}

/// The same, and each of them in nanoseconds, the reading of the counter included.
pub(crate) fn one_by_one(
    count: u64,
    latencies: &mut Latencies,
    mut operation: impl FnMut() -> Result<(), Failure>,
) -> Result<u64, Failure> {
    together(count, || {
        let ticks = together(1, &mut operation)?;
        latencies.add(clock::ticks_to_ns(ticks));
        Ok(())
    })
}
