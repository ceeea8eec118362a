//! A spin lock for cores that never take interrupts at EL2.
//!
//! At EL2 exceptions stay masked and interrupts are taken by leaving the guest, so that a holder is
//! never interrupted on its own core, and a plain spin lock suffices. It waits with WFE-free YIELD:
//! under a simulator that runs one core at a time, YIELD hands over.

use spin::mutex::SpinMutex;

/// How a waiter waits.
#[derive(Debug)]
pub struct Yield;

impl spin::RelaxStrategy for Yield {
    fn relax() {
        crate::time::yield_now();
    }
}

/// The lock. Lock and value are two things, so that there is one loop that waits, not one for every
/// type of value.
pub type Lock<T> = lock_api::Mutex<SpinMutex<(), Yield>, T>;
