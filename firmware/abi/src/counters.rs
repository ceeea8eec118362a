//! What the firmware counts of a function: written to its control page on request.
//!
//! Words of 64 bits from [`control::COUNTERS`](crate::control::COUNTERS) on, in this order.

/// One counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Counter {
    /// Work requests that ended well.
    Completed = 0,
    /// Work requests that ended with an error of any kind but flushed.
    Failed = 1,
    /// Work requests that were flushed.
    Flushed = 2,
    /// Bytes that were moved.
    Bytes = 3,
    /// Commands that were answered.
    Commands = 4,
    /// Rings that led to no work.
    EmptyRings = 5,
    /// Requests, of this function or against it, that named a wrong key.
    KeyMisses = 6,
    /// Interrupts that were raised.
    Interrupts = 7,
    /// Events that were lost because the response ring was full.
    LostEvents = 8,
    /// Turns in which a peer without a receive made this function wait.
    ReceiverNotReady = 9,
    /// Cycles that the engine core spent on this function's work: an estimate from samples.
    BusyCycles = 10,
    /// Cycles that the engine core spent on all functions together: the same estimate.
    EngineBusyCycles = 11,
    /// Bytes of Unimux's own memory that this function holds.
    HeldBytes = 12,
}

/// How many counters there are.
pub const COUNT: usize = 13;
/// Bytes that they fill.
pub const BYTES: u64 = COUNT as u64 * 8;

impl Counter {
    /// All counters, in the order in which they stand in memory.
    pub const ALL: [Self; COUNT] = [
        Self::Completed,
        Self::Failed,
        Self::Flushed,
        Self::Bytes,
        Self::Commands,
        Self::EmptyRings,
        Self::KeyMisses,
        Self::Interrupts,
        Self::LostEvents,
        Self::ReceiverNotReady,
        Self::BusyCycles,
        Self::EngineBusyCycles,
        Self::HeldBytes,
    ];

    /// The counter's name, as tools print it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Flushed => "flushed",
            Self::Bytes => "bytes",
            Self::Commands => "commands",
            Self::EmptyRings => "empty_rings",
            Self::KeyMisses => "key_misses",
            Self::Interrupts => "interrupts",
            Self::LostEvents => "lost_events",
            Self::ReceiverNotReady => "receiver_not_ready",
            Self::BusyCycles => "busy_cycles",
            Self::EngineBusyCycles => "engine_busy_cycles",
            Self::HeldBytes => "held_bytes",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_stand_in_their_order() {
        for (i, counter) in Counter::ALL.into_iter().enumerate() {
            assert_eq!(counter as usize, i);
        }
    }
}
