//! The driver's platform: the mapped doorbell page, and a clock that needs no system call.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use unimux_abi::doorbell::{CONTROL, RING};
use unimux_driver::Platform;

use crate::barrier;

/// Turns of a polling loop after which other programs have a moment.
const TURNS: u32 = 4096;

/// A doorbell page.
#[derive(Clone, Debug)]
pub struct Doorbell {
    page: &'static [AtomicU64],
    began: Instant,
    turns: Cell<u32>,
}

impl Doorbell {
    /// The doorbell page `page`, of 512 words.
    ///
    /// # Panics
    ///
    /// If it is shorter.
    #[must_use]
    pub fn new(page: &'static [AtomicU64]) -> Self {
        Self {
            page: &page[..unimux_abi::doorbell::PAGE_BYTES as usize / 8],
            began: Instant::now(),
            turns: Cell::new(0),
        }
    }

    #[inline]
    fn store(&self, offset_bytes: u64, value: u64) {
        barrier::memory_before_device();
        self.page[offset_bytes as usize / 8].store(value, Ordering::Relaxed);
        barrier::wake_engine();
    }
}

impl Platform for Doorbell {
    #[inline]
    fn ring(&self, value: u64) {
        self.store(RING, value);
    }

    fn set_control(&self, ipa: u64) {
        self.store(CONTROL, ipa);
    }

    fn now_ns(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    #[inline]
    fn relax(&self) {
        let turns = self.turns.get().wrapping_add(1);
        self.turns.set(turns);
        if turns.is_multiple_of(TURNS) {
            std::thread::yield_now();
        } else {
            barrier::pause();
        }
    }
}
