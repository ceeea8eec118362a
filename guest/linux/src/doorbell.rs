//! The driver's platform: the mapped doorbell page, a clock that needs no system call, and sleep.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use unimux_driver::Platform;

use crate::{Sleeps, Waker, barrier, clock};

/// Turns of a polling loop after which other programs have a moment.
const TURNS: u32 = 4096;

/// A doorbell page.
#[derive(Clone, Debug)]
pub struct Doorbell {
    page: &'static [AtomicU64],
    turns: Cell<u32>,
    sleep: Option<Sleep>,
}

/// How to sleep.
#[derive(Clone, Debug)]
struct Sleep {
    waker: Arc<Waker>,
    polls_ns: u64,
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
            turns: Cell::new(0),
            sleep: None,
        }
    }

    /// The same for who sleeps, until `waker` wakes it, after having polled for `polls_ns`
    /// nanoseconds.
    #[must_use]
    pub fn sleeping(self, waker: Waker, polls_ns: u64) -> Self {
        let waker = Arc::new(waker);
        Self {
            sleep: Some(Sleep { waker, polls_ns }),
            ..self
        }
    }

    /// How often it was slept so far; `None` if this polls.
    #[must_use]
    pub fn sleeps(&self) -> Option<Sleeps> {
        self.sleep.as_ref().map(|it| it.waker.sleeps())
    }
}

impl Platform for Doorbell {
    #[inline]
    fn store_to_doorbell(&self, offset_bytes: u64, value: u64) {
        barrier::memory_before_device();
        self.page[offset_bytes as usize / 8].store(value, Ordering::Relaxed);
        barrier::wake_engine();
    }

    /// Of the machine, not of the program: rings count from it, and a program's must not begin
    /// with those of the one before it.
    #[inline]
    fn now_ns(&self) -> u64 {
        clock::now_ns()
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

    #[inline]
    fn polls_ns(&self) -> Option<u64> {
        self.sleep.as_ref().map(|it| it.polls_ns)
    }

    fn sleep(&self, ns: u64) {
        match &self.sleep {
            Some(sleep) => sleep.waker.sleep(ns),
            None => self.relax(),
        }
    }
}
