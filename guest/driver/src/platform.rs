//! What the driver needs of the machine it runs on.
//!
//! Nothing here allocates or maps; a guest implements this once.

/// A guest's machine: its doorbell page, a clock, and what to do while waiting.
///
/// Waits poll, unless the platform can sleep ([`polls_ns`](Self::polls_ns)).
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

    /// How long to poll for something before [`sleep`](Self::sleep), in nanoseconds; `None` on a
    /// platform that polls only.
    fn polls_ns(&self) -> Option<u64> {
        None
    }

    /// Sleeps until the function interrupts, for `ns` nanoseconds at most. It may return earlier,
    /// whatever the reason: who calls it has armed something, and looks again.
    fn sleep(&self, ns: u64) {
        let _ = ns;
        self.relax();
    }
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

    fn polls_ns(&self) -> Option<u64> {
        P::polls_ns(self)
    }

    fn sleep(&self, ns: u64) {
        P::sleep(self, ns);
    }
}
