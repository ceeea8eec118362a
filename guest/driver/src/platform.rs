//! What the driver needs of the machine it runs on.
//!
//! Nothing here allocates or maps; a guest implements this once.

/// A guest's machine: its doorbell page, a clock, and what to do while waiting.
///
/// Queue pairs and completion queues keep a copy, so an implementation is small: a reference, or
/// nothing at all.
pub trait Platform: Clone {
    /// Stores `value` to the ring word of the doorbell page, as one 64-bit store.
    ///
    /// Everything that this CPU stored to memory before must be visible to the engine core by
    /// then. On Arm, where the page is device memory: `dmb oshst`, the store, then `sev` if the
    /// engine core may sleep (Arm ARM B2.3.12: a barrier orders memory of any type against device
    /// accesses).
    fn ring(&self, value: u64);

    /// Stores `ipa` to the control word of the doorbell page, ordered as in [`ring`](Self::ring).
    fn set_control(&self, ipa: u64);

    /// Nanoseconds since any moment; never runs backwards.
    fn now_ns(&self) -> u64;

    /// Lets somebody else run for a moment: a `yield` or `wfe` with an event stream, never a wait
    /// without end.
    fn relax(&self);
}

impl<P: Platform> Platform for &P {
    fn ring(&self, value: u64) {
        P::ring(self, value);
    }

    fn set_control(&self, ipa: u64) {
        P::set_control(self, ipa);
    }

    fn now_ns(&self) -> u64 {
        P::now_ns(self)
    }

    fn relax(&self) {
        P::relax(self);
    }
}
