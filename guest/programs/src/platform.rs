//! The driver's platform: this guest's doorbell page and clock.

use unimux_driver::Platform;
use unimux_guest_rt::{Doorbell, Function, barrier, clock};

/// A bare-metal guest, as the driver sees it.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    doorbell: Doorbell,
}

impl Machine {
    /// The machine whose function is `function`.
    pub fn new(function: &Function) -> Self {
        Self {
            doorbell: Doorbell::of(function),
        }
    }
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
