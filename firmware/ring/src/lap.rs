//! Where one side of a ring is: which record is next, and which phase it has when filled.

use thiserror::Error;

use crate::{Line, PHASE};

/// A piece of memory that cannot be a ring: its number of records is not a power of two, or more
/// than an index can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a ring has a power of two of records, at most 2^31")]
pub struct NotARing;

/// The records of a ring and a free-running position in them.
///
/// The position counts all records ever passed, modulo 2^32; its low bits are the record, the next
/// bit up is the lap's parity. So one number is all the state there is.
#[derive(Clone, Debug)]
pub(crate) struct Position<'m, const N: usize> {
    lines: &'m [Line<N>],
    passed: u32,
}

impl<'m, const N: usize> Position<'m, N> {
    pub(crate) fn new(lines: &'m [Line<N>]) -> Result<Self, NotARing> {
        if N == 0 || !lines.len().is_power_of_two() || lines.len() > 1 << 31 {
            return Err(NotARing);
        }
        Ok(Self { lines, passed: 0 })
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "a ring has at most 2^31 records"
    )]
    pub(crate) const fn entries(&self) -> u32 {
        self.lines.len() as u32
    }

    pub(crate) const fn passed(&self) -> u32 {
        self.passed
    }

    /// The record at the position.
    pub(crate) fn line(&self) -> &'m Line<N> {
        &self.lines[(self.passed & (self.entries() - 1)) as usize]
    }

    /// The phase bit of a record filled in this lap: 1 in the first lap, then alternating.
    pub(crate) const fn phase(&self) -> u64 {
        if self.passed & self.entries() == 0 {
            PHASE
        } else {
            0
        }
    }

    pub(crate) const fn advance(&mut self) {
        self.passed = self.passed.wrapping_add(1);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::*;
    use crate::sync::AtomicU64;

    #[test]
    fn the_phase_toggles_with_every_lap() {
        let lines: Vec<Line<1>> = (0..4).map(|_| [AtomicU64::new(0)]).collect();
        let mut position = Position::new(&lines).unwrap();
        let mut phases = Vec::new();
        for _ in 0..12 {
            phases.push(position.phase());
            position.advance();
        }
        assert_eq!(phases, [1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1]);
    }

    #[test]
    fn the_phase_survives_the_wrap_of_the_position() {
        let lines: Vec<Line<1>> = (0..4).map(|_| [AtomicU64::new(0)]).collect();
        let mut position = Position {
            lines: &lines,
            passed: u32::MAX,
        };
        assert_eq!(position.phase(), 0);
        position.advance();
        assert_eq!((position.passed(), position.phase()), (0, 1));
    }

    #[test]
    fn only_a_power_of_two_is_a_ring() {
        let lines: Vec<Line<1>> = (0..3).map(|_| [AtomicU64::new(0)]).collect();
        assert_eq!(Position::new(&lines).unwrap_err(), NotARing);
        assert_eq!(Position::<1>::new(&[]).unwrap_err(), NotARing);
    }
}
