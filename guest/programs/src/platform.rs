//! The driver's platform: this guest's doorbell page, clock and memory.

use unimux_driver::Platform;
use unimux_exchange::latency::Latencies;
use unimux_guest_rt::memory::FreeMemory;
use unimux_guest_rt::{Doorbell, Function, barrier, clock};

/// A bare-metal guest, as the driver sees it.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    doorbell: Doorbell,
}

impl From<&Function> for Machine {
    /// The machine whose function is `function`.
    fn from(function: &Function) -> Self {
        Self {
            doorbell: Doorbell::of(function),
        }
    }
}

/// Takes memory for `count` samples.
///
/// # Panics
/// If the guest has not so much RAM left.
pub fn latencies(memory: &mut FreeMemory, count: usize) -> Latencies {
    let samples = memory.take(count * 4).as_chunks_mut().0;
    Latencies::new(&mut samples[..count])
}

impl Platform for Machine {
    #[inline]
    fn store_to_doorbell(&self, offset_bytes: u64, value: u64) {
        self.doorbell.store(offset_bytes as usize, value);
    }

    fn now_ns(&self) -> u64 {
        clock::now_ns()
    }

    #[inline]
    fn relax(&self) {
        barrier::relax();
    }
}
