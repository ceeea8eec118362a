//! Latencies of single operations, kept whole so that percentiles are exact.

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
    /// Room for as many samples as `samples` has places.
    pub const fn new(samples: &'static mut [[u8; 4]]) -> Self {
        Self { samples, len: 0 }
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

    fn sorted(&mut self) -> impl ExactSizeIterator<Item = u32> {
        let samples = &mut self.samples[..self.len];
        samples.sort_unstable_by_key(|sample| u32::from_le_bytes(*sample));
        samples.iter().map(|sample| u32::from_le_bytes(*sample))
    }

    /// Gives each value that occurs, and how often, to `each`; values in the same 64th of the range
    /// up to the 99th percentile are taken together as the largest of them.
    pub fn histogram(&mut self, mut each: impl FnMut(u32, u32)) {
        let step = self.percentiles().p99 / 64 + 1;
        let (mut top, mut count) = (0, 0);
        for value in self.sorted() {
            if count > 0 && value / step != top / step {
                each(top, count);
                count = 0;
            }
            top = value;
            count += 1;
        }
        if count > 0 {
            each(top, count);
        }
    }

    /// Reads the percentiles off the sorted samples (nearest rank); zeros without samples.
    pub fn percentiles(&mut self) -> Percentiles {
        let len = self.sorted().len();
        let at = |percent: usize| {
            let rank = (len * percent).div_ceil(100).max(1);
            let sample = self.samples[..len].get(rank - 1);
            sample.map_or(0, |sample| u32::from_le_bytes(*sample))
        };
        Percentiles {
            p50: at(50),
            p90: at(90),
            p99: at(99),
            max: at(100),
        }
    }
}
