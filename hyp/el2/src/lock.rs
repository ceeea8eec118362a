//! A spin lock for cores that never take interrupts at EL2.
//!
//! At EL2 exceptions stay masked and interrupts are taken by leaving the guest, so that a holder is
//! never interrupted on its own core, and a plain spin lock suffices. It waits with WFE-free YIELD:
//! under a simulator that runs one core at a time, YIELD hands over.

/// How a waiter waits.
#[derive(Debug)]
pub struct Yield;

impl spin::RelaxStrategy for Yield {
    fn relax() {
        crate::time::yield_now();
    }
}

/// The lock.
pub type Lock<T> = spin::mutex::SpinMutex<T, Yield>;
