//! A spin lock for cores that never take interrupts at EL2.
//!
//! At EL2 exceptions stay masked and interrupts are taken by leaving the guest, so that a holder is
//! never interrupted on its own core, and a plain spin lock suffices. It waits with WFE-free YIELD:
//! under a simulator that runs one core at a time, YIELD hands over.

use spin::mutex::{SpinMutex, SpinMutexGuard};

/// How a waiter waits.
#[derive(Debug)]
pub struct Yield;

impl spin::RelaxStrategy for Yield {
    fn relax() {
        crate::time::yield_now();
    }
}

/// The lock.
#[derive(Debug)]
pub struct Lock<T>(SpinMutex<T, Yield>);

impl<T> Lock<T> {
    /// A lock that nobody holds.
    pub const fn new(value: T) -> Self {
        Self(SpinMutex::new(value))
    }

    /// Waits until nobody holds the lock, and holds it.
    ///
    /// Never in line: the loops of a spin lock are more than a call, and there are many callers.
    #[inline(never)]
    pub fn lock(&self) -> SpinMutexGuard<'_, T, Yield> {
        self.0.lock()
    }
}
