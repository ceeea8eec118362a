//! Lists of descriptors in memory, one of sources and one of destinations.

use super::register::control::{COHRNT, LINKED, STOP};
use crate::dma::{Descriptors, Piece};

/// How descriptors follow each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// An array of 16 bytes each: the least to write and to fetch.
    #[default]
    Linear,
    /// Of 32 bytes each, with the address of the next.
    Linked,
}

impl Form {
    /// 64-bit words of a descriptor. It is aligned to its size.
    pub(super) const fn words(self) -> usize {
        match self {
            Self::Linear => 2,
            Self::Linked => 4,
        }
    }

    /// Pieces whose two lists fit in the memory of a channel.
    pub(super) const fn pieces(self) -> usize {
        Descriptors::BYTES / (2 * 8 * self.words())
    }
}

/// The two lists of one channel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lists {
    pub(super) memory: Descriptors,
    pub(super) form: Form,
}

impl Lists {
    /// The word at which the destinations begin; sources begin at 0.
    const fn destinations(self) -> usize {
        self.form.pieces() * self.form.words()
    }

    /// Addresses of the first source and the first destination.
    pub(super) fn starts(self) -> [u64; 2] {
        [0, self.destinations()].map(|first| self.memory.address(first))
    }

    /// The addresses of the two lists of `count` pieces.
    pub(super) fn ranges(self, count: usize) -> [core::ops::Range<u64>; 2] {
        let words = count * self.form.words();
        [0, self.destinations()].map(|first| self.memory.range(first, words))
    }

    /// Writes both lists for `pieces`.
    pub(super) fn write(self, pieces: &[Piece], is_coherent: bool) {
        for (index, piece) in pieces.iter().enumerate() {
            let is_last = index + 1 == pieces.len();
            let mut control = if is_coherent { COHRNT } else { 0 };
            control |= match self.form {
                Form::Linear => 0,
                Form::Linked => LINKED,
            };
            control |= if is_last { STOP } else { 0 };
            let second = u64::from(piece.len_bytes) | u64::from(control) << 32;
            let sides = [(0, piece.source), (self.destinations(), piece.destination)];
            for (first, address) in sides {
                let at = first + index * self.form.words();
                self.memory.write(at, &[address, second]);
                if self.form == Form::Linked {
                    let next = match is_last {
                        true => 0,
                        false => self.memory.address(at + self.form.words()),
                    };
                    self.memory.write(at + 2, &[next, 0]);
                }
            }
        }
    }
}
