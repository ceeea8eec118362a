//! The side of a ring that fills records.

use thiserror::Error;

use crate::lap::{NotARing, Position};
use crate::sync::{AtomicU64, Ordering};
use crate::{Line, PHASE};

/// Why a record could not be filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NoRoom {
    /// The peer has not taken enough yet.
    #[error("the ring is full")]
    Full,
    /// The peer says that it has taken records that were never filled.
    #[error("the peer has taken more than there was")]
    Broken,
}

/// Fills records of `N` words for a peer that says, in a word of its own, how many it has taken.
#[derive(Debug)]
pub struct Producer<'m, const N: usize> {
    position: Position<'m, N>,
    /// The peer's count, modulo 2^32: read when the ring looks full, believed only in so far as
    /// it lies between what it said last and what was filled.
    consumed: &'m AtomicU64,
    consumed_seen: u32,
}

impl<'m, const N: usize> Producer<'m, N> {
    /// A producer at the start of the ring in `lines`; `consumed` is the peer's count of records
    /// taken.
    ///
    /// # Errors
    ///
    /// [`NotARing`] if the number of lines is not a power of two.
    pub fn new(lines: &'m [Line<N>], consumed: &'m AtomicU64) -> Result<Self, NotARing> {
        Position::new(lines).map(|position| Self {
            position,
            consumed,
            consumed_seen: 0,
        })
    }

    /// How many records the ring has.
    #[must_use]
    pub const fn entries(&self) -> u32 {
        self.position.entries()
    }

    /// How many records were filled so far, modulo 2^32.
    #[must_use]
    pub const fn filled(&self) -> u32 {
        self.position.passed()
    }

    /// How many records can be filled now: at least `wanted`, unless an error says why not.
    ///
    /// # Errors
    ///
    /// [`NoRoom::Full`] if there are fewer than `wanted`, [`NoRoom::Broken`] if the peer's count
    /// is impossible.
    pub fn room(&mut self, wanted: u32) -> Result<u32, NoRoom> {
        let free = self.entries() - self.unconsumed();
        if free >= wanted {
            return Ok(free);
        }
        // Acquire: pairs with the peer's release of its count, so that the peer has finished
        // reading the records that are about to be filled again.
        #[expect(clippy::cast_possible_truncation, reason = "the count is the low half")]
        let said = self.consumed.load(Ordering::Acquire) as u32;
        if said.wrapping_sub(self.consumed_seen) > self.unconsumed() {
            return Err(NoRoom::Broken);
        }
        self.consumed_seen = said;
        let free = self.entries() - self.unconsumed();
        if free >= wanted {
            Ok(free)
        } else {
            Err(NoRoom::Full)
        }
    }

    /// Fills the next record. The phase bit of the head is set here, whatever `record` says.
    ///
    /// # Errors
    ///
    /// See [`Producer::room`]; nothing was filled then.
    pub fn push(&mut self, record: [u64; N]) -> Result<(), NoRoom> {
        self.room(1)?;
        let line = self.position.line();
        for (word, &value) in line.iter().zip(&record).skip(1) {
            word.store(value, Ordering::Relaxed);
        }
        // Release: whoever sees this head sees the words above, and whatever this core or an
        // engine it waited for moved before.
        line[0].store(
            record[0] & !PHASE | self.position.phase(),
            Ordering::Release,
        );
        self.position.advance();
        Ok(())
    }

    /// Records that were filled and not taken, as far as the peer has said. Never more than the
    /// ring has: `push` asks for room first.
    const fn unconsumed(&self) -> u32 {
        self.position.passed().wrapping_sub(self.consumed_seen)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::Consumer;

    fn ring(entries: usize) -> Vec<Line<2>> {
        (0..entries)
            .map(|_| [AtomicU64::new(0), AtomicU64::new(0)])
            .collect()
    }

    #[test]
    fn full_and_broken_are_different_results() {
        let (lines, consumed) = (ring(2), AtomicU64::new(0));
        let mut producer = Producer::new(&lines, &consumed).unwrap();
        producer.push([0, 1]).unwrap();
        producer.push([0, 2]).unwrap();
        assert_eq!(producer.push([0, 3]), Err(NoRoom::Full));
        consumed.store(3, Ordering::Release);
        assert_eq!(producer.push([0, 3]), Err(NoRoom::Broken));
        consumed.store(1, Ordering::Release);
        assert_eq!(producer.push([0, 3]), Ok(()));
        assert_eq!(producer.room(1), Err(NoRoom::Full));
    }

    #[test]
    fn a_count_that_goes_back_is_broken() {
        let (lines, consumed) = (ring(2), AtomicU64::new(0));
        let mut producer = Producer::new(&lines, &consumed).unwrap();
        for i in 0..4 {
            producer.push([0, i]).unwrap();
            consumed.store(i + 1, Ordering::Release);
        }
        assert_eq!(producer.room(2), Ok(2));
        producer.push([0, 9]).unwrap();
        producer.push([0, 9]).unwrap();
        consumed.store(2, Ordering::Release);
        assert_eq!(producer.room(1), Err(NoRoom::Broken));
    }

    proptest! {
        #[test]
        fn what_is_filled_is_taken_once_and_in_order(steps in prop::collection::vec(any::<bool>(), 0..200)) {
            let (lines, consumed) = (ring(8), AtomicU64::new(0));
            let mut producer = Producer::new(&lines, &consumed).unwrap();
            let mut consumer = Consumer::new(&lines).unwrap();
            let (mut filled, mut taken) = (0u64, 0u64);
            for fill in steps {
                if fill {
                    let room = filled - taken < 8;
                    prop_assert_eq!(producer.push([0xfe, filled]).is_ok(), room);
                    filled += u64::from(room);
                } else {
                    let record = consumer.take();
                    prop_assert_eq!(record.map(|record| record[1]), (taken < filled).then_some(taken));
                    taken += u64::from(record.is_some());
                    consumed.store(taken, Ordering::Release);
                }
            }
        }

        #[test]
        fn a_lying_peer_never_makes_more_room_than_the_ring_has(
            counts in prop::collection::vec(any::<u64>(), 1..50),
        ) {
            let (lines, consumed) = (ring(4), AtomicU64::new(0));
            let mut producer = Producer::new(&lines, &consumed).unwrap();
            for count in counts {
                consumed.store(count, Ordering::Release);
                if let Ok(room) = producer.room(1) {
                    prop_assert!((1..=4).contains(&room));
                    producer.push([0, 0]).unwrap();
                }
            }
        }
    }
}
