//! What a guest asks another for by letter: the numbers of tasks, and what they are given.

use crate::measure::Operation;

/// Answer: the result is the argument.
pub const PING: u64 = 0x100;
/// Post receives of so many bytes until the client comes to the point [`OVER`].
pub const RECEIVE: u64 = 0x101;
/// The number of the point at which the client ends something.
pub const OVER: u64 = 0x102;
/// The client ends the connection.
pub const BYE: u64 = 0x103;
/// Measure what a [`Measurement`] says; the result is nanoseconds, or zero if it failed.
pub const MEASURE: u64 = 0x104;

/// What is to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// How long a request takes: half of them at most so long.
    Latency,
    /// How long all of them take together, with many under way at a time.
    Stream,
}

/// What one guest has another measure, from there to a third: the argument of [`MEASURE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measurement {
    /// What is to be known.
    pub question: Question,
    /// What a request does.
    pub operation: Operation,
    /// The function of the third.
    pub peer: u8,
    /// Bytes of a request, less than 2^24.
    pub len_bytes: u32,
    /// Requests, less than 2^24.
    pub count: u32,
}

/// Bits of a length, and of a count.
const NUMBER_BITS: u32 = 24;
const NUMBER_MAX: u32 = (1 << NUMBER_BITS) - 1;

impl Measurement {
    /// As an argument. `None` if a number is too large.
    #[must_use]
    pub const fn to_word(self) -> Option<u64> {
        if self.len_bytes > NUMBER_MAX || self.count > NUMBER_MAX {
            return None;
        }
        let question = match self.question {
            Question::Latency => 0,
            Question::Stream => 1,
        };
        let operation = match self.operation {
            Operation::Write => 0,
            Operation::Read => 1,
            Operation::Send => 2,
        };
        let what = self.peer as u64 | question << 8 | operation << 12;
        Some(what | (self.len_bytes as u64) << 16 | (self.count as u64) << (16 + NUMBER_BITS))
    }

    /// From an argument. `None` if it is none.
    #[must_use]
    pub const fn from_word(word: u64) -> Option<Self> {
        let question = match word >> 8 & 0xf {
            0 => Question::Latency,
            1 => Question::Stream,
            _ => return None,
        };
        let operation = match word >> 12 & 0xf {
            0 => Operation::Write,
            1 => Operation::Read,
            2 => Operation::Send,
            _ => return None,
        };
        Some(Self {
            question,
            operation,
            peer: word as u8,
            len_bytes: (word >> 16) as u32 & NUMBER_MAX,
            count: (word >> (16 + NUMBER_BITS)) as u32,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measurement_survives_its_word() {
        let asked = Measurement {
            question: Question::Stream,
            operation: Operation::Send,
            peer: 63,
            len_bytes: NUMBER_MAX,
            count: NUMBER_MAX,
        };
        let word = asked.to_word().expect("small numbers");
        assert_eq!(Measurement::from_word(word), Some(asked));
        let large = Measurement {
            count: NUMBER_MAX + 1,
            ..asked
        };
        assert_eq!(large.to_word(), None);
    }

    #[test]
    fn other_words_are_no_measurements() {
        for word in [2 << 8, 3 << 12, u64::MAX] {
            assert_eq!(Measurement::from_word(word), None, "{word:#x}");
        }
    }
}
