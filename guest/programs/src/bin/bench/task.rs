//! What the measuring guest asks of a helper: the numbers of tasks.

/// Poll without sleeping until the next letter; the result is how often the helper exited.
pub(crate) const POLL: u64 = 1;
/// Keep writing to the measuring guest from the tick that is the argument; the result is bytes.
pub(crate) const FLOW: u64 = 2;
/// As [`FLOW`], with requests of a size that differs from helper to helper.
pub(crate) const MIXED_FLOW: u64 = 3;
/// From the tick that is the argument: spin; the result of this and the storms is how often.
pub(crate) const SPIN: u64 = 4;
/// From the tick that is the argument: ring the doorbell for nothing.
pub(crate) const STORM_DOORBELL: u64 = 5;
/// From the tick that is the argument: keep the command ring full.
pub(crate) const STORM_COMMANDS: u64 = 6;
/// It is over.
pub(crate) const END: u64 = 7;

/// How long flows, spins and storms last, in nanoseconds.
pub(crate) const DURATION_NS: u64 = 40_000_000;
/// How far ahead a common beginning is set.
pub(crate) const LEAD_NS: u64 = 10_000_000;
