//! What the driver needs of the machine it runs on.
//!
//! Nothing here allocates or maps; a guest implements this once.

/// A guest's machine: its doorbell page, a clock, and what to do while waiting.
///
/// Queue pairs and completion queues keep a copy, so an implementation is small: a reference, or
/// nothing at all.
pub trait Platform: Clone {
    /// Stores `value` to the word of the doorbell page at `offset_bytes`, as one 64-bit store. The
    /// driver names only words of [`unimux_abi::doorbell`].
    ///
    /// Everything that this CPU stored to memory before must be visible to the engine core by
    /// then. On Arm, where the page is device memory: `dmb oshst`, the store, then `sev` if the
    /// engine core may sleep (Arm ARM B2.3.12: a barrier orders memory of any type against device
    /// accesses).
    fn store_to_doorbell(&self, offset_bytes: u64, value: u64);

    /// Nanoseconds since any moment; never runs backwards.
    fn now_ns(&self) -> u64;

    /// Lets somebody else run for a moment: a `yield` or `wfe` with an event stream, never a wait
    /// without end.
    fn relax(&self);
}

impl<P: Platform> Platform for &P {
    fn store_to_doorbell(&self, offset_bytes: u64, value: u64) {
        P::store_to_doorbell(self, offset_bytes, value);
    }

    fn now_ns(&self) -> u64 {
        P::now_ns(self)
    }

    fn relax(&self) {
        P::relax(self);
    }
}
