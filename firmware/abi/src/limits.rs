//! Sizes that no function exceeds, whatever its quota.

/// Smallest and largest entries of a queue, as powers of two.
pub const QUEUE_LOG2: core::ops::RangeInclusive<u8> = 1..=15;
/// Bytes that one work request may move: 1 GiB.
pub const MAX_MESSAGE_BYTES: u64 = 1 << 30;
/// Bytes that the engine moves for one queue pair before others have their turn.
pub const BLOCK_BYTES: u64 = 16 * 1024;
/// Page sizes that a page list may use, as powers of two: 4 KiB to 1 GiB.
pub const PAGE_SHIFT: core::ops::RangeInclusive<u8> = 12..=30;
