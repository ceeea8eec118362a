//! How much memory queues need.

use unimux_abi::{completion, limits, work};

use crate::Error;

/// Bytes of two counters per queue pair that the driver keeps behind a completion queue.
pub(crate) const DONE_BYTES: u64 = 16;

/// Bytes of a block for a completion queue of `entries` entries, in a function that may have
/// `max_qps` queue pairs (see [`Limits`](crate::Limits)).
#[must_use]
pub const fn bytes_for_cq(entries: u32, max_qps: u16) -> u64 {
    entries as u64 * completion::BYTES + completion::RECORD_BYTES + max_qps as u64 * DONE_BYTES
}

/// Bytes of a block for a queue pair with that many send and receive entries.
#[must_use]
pub const fn bytes_for_qp(send_entries: u32, recv_entries: u32) -> u64 {
    (send_entries as u64 + recv_entries as u64) * work::BYTES
}

/// Bytes of a block for a list of `pages` pages.
#[must_use]
pub const fn bytes_for_page_list(pages: usize) -> u64 {
    pages as u64 * 8
}

/// The power of two that `entries` is.
pub(crate) fn log2_of(entries: u32) -> Result<u8, Error> {
    if !entries.is_power_of_two() {
        return Err(Error::InvalidEntries(entries));
    }
    u8::try_from(entries.trailing_zeros())
        .ok()
        .filter(|log2| limits::QUEUE_LOG2.contains(log2))
        .ok_or(Error::InvalidEntries(entries))
}

/// The phase of the entry at `position` in a queue of `1 << log2` entries: true in the first lap.
pub(crate) const fn phase_at(position: u32, log2: u8) -> bool {
    (position >> log2) & 1 == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_powers_of_two_in_range_are_sizes() {
        assert_eq!(log2_of(2), Ok(1));
        assert_eq!(log2_of(32768), Ok(15));
        for wrong in [0, 1, 3, 65536, u32::MAX] {
            assert_eq!(log2_of(wrong), Err(Error::InvalidEntries(wrong)));
        }
    }

    #[test]
    fn the_phase_toggles_with_every_lap() {
        assert!(phase_at(0, 2) && phase_at(3, 2));
        assert!(!phase_at(4, 2) && !phase_at(7, 2));
        assert!(phase_at(8, 2));
        assert!(!phase_at(u32::MAX, 2) && phase_at(u32::MAX.wrapping_add(1), 2));
    }
}
