//! The side of a ring that takes records.

use crate::lap::{NotARing, Position};
use crate::sync::{Ordering, fence};
use crate::{Line, PHASE};

/// Takes records of `N` words that a peer fills.
///
/// A clone goes on from the same place: a way to look ahead without taking.
#[derive(Clone, Debug)]
pub struct Consumer<'m, const N: usize> {
    position: Position<'m, N>,
}

impl<'m, const N: usize> Consumer<'m, N> {
    /// A consumer at the start of the ring in `lines`, which the peer has not filled yet.
    ///
    /// # Errors
    ///
    /// [`NotARing`] if the number of lines is not a power of two.
    pub fn new(lines: &'m [Line<N>]) -> Result<Self, NotARing> {
        Position::new(lines).map(|position| Self { position })
    }

    /// How many records the ring has.
    #[must_use]
    pub const fn entries(&self) -> u32 {
        self.position.entries()
    }

    /// How many records were taken so far, modulo 2^32.
    #[must_use]
    pub const fn taken(&self) -> u32 {
        self.position.passed()
    }

    /// Whether the next record is filled. The peer can change that at any moment.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.position.line()[0].load(Ordering::Relaxed) & PHASE == self.position.phase()
    }

    /// Takes the next record, if it is filled: a copy that nobody else can change.
    pub fn take(&mut self) -> Option<[u64; N]> {
        let mut record = [0; N];
        self.take_into(&mut record).then_some(record)
    }

    /// Takes the next record into `record`, if it is filled. Whether it was.
    #[inline]
    pub fn take_into(&mut self, record: &mut [u64; N]) -> bool {
        let line = self.position.line();
        let head = line[0].load(Ordering::Relaxed);
        if head & PHASE != self.position.phase() {
            return false;
        }
        // Acquire: pairs with the release of the head in Producer::push, and so makes the other
        // words of the record visible. A barrier, where a load that acquires would do, because
        // most looks find nothing, and they need none.
        fence(Ordering::Acquire);
        record[0] = head;
        for (copy, word) in record.iter_mut().zip(line).skip(1) {
            *copy = word.load(Ordering::Relaxed);
        }
        self.position.advance();
        true
    }
}
