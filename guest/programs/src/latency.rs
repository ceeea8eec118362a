//! Latencies of single operations, kept whole so that percentiles are exact.

use unimux_guest_rt::memory::FreeMemory;

/// Samples in nanoseconds, up to a number given at the start.
#[derive(Debug)]
pub struct Latencies {
    samples: &'static mut [[u8; 4]],
    len: usize,
}

/// What is shown of a set of samples, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Percentiles {
    /// Half were at most this long.
    pub p50: u32,
    /// Nine of ten were.
    pub p90: u32,
    /// 99 of a hundred were.
    pub p99: u32,
    /// The longest.
    pub max: u32,
}

impl Latencies {
    /// Takes memory for `count` samples.
    ///
    /// # Panics
    /// If the guest has not so much RAM left.
    pub fn with_room(memory: &mut FreeMemory, count: usize) -> Self {
        let samples = memory.take(count * 4).as_chunks_mut().0;
        Self {
            samples: &mut samples[..count],
            len: 0,
        }
    }

    /// Adds a sample; one that finds no room is left out.
    pub fn add(&mut self, ns: u64) {
        if let Some(sample) = self.samples.get_mut(self.len) {
            *sample = u32::try_from(ns).unwrap_or(u32::MAX).to_le_bytes();
            self.len += 1;
        }
    }

    /// Forgets all samples.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Sorts the samples and reads the percentiles off them (nearest rank); zeros without samples.
    pub fn percentiles(&mut self) -> Percentiles {
        let samples = &mut self.samples[..self.len];
        samples.sort_unstable_by_key(|sample| u32::from_le_bytes(*sample));
        let at = |percent: usize| {
            let rank = (samples.len() * percent).div_ceil(100).max(1);
            samples
                .get(rank - 1)
                .map_or(0, |sample| u32::from_le_bytes(*sample))
        };
        Percentiles {
            p50: at(50),
            p90: at(90),
            p99: at(99),
            max: at(100),
        }
    }
}
