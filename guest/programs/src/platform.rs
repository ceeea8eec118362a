//! The driver's platform: this guest's doorbell page and clock.

use unimux_abi::doorbell::{CONTROL, RING};
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
    fn ring(&self, value: u64) {
        self.doorbell.store(RING as usize, value);
    }

    fn set_control(&self, ipa: u64) {
        self.doorbell.store(CONTROL as usize, ipa);
    }

    fn now_ns(&self) -> u64 {
        clock::now_ns()
    }

    #[inline]
    fn relax(&self) {
        barrier::relax();
    }
}
