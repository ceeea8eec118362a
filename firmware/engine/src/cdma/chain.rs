//! A chain of descriptors in memory.
//!
//! Eight words of 32 bits each in 64 bytes: next, source, destination (64 bits each), control (the
//! length), status (PG034, "Scatter Gather Transfer Descriptor Definition").

use super::register::{COMPLETE, DESCRIPTOR_BYTES};
use crate::dma::{Descriptors, Piece};

/// 64-bit words of a descriptor.
const WORDS: usize = DESCRIPTOR_BYTES / 8;
/// The word that has control and status.
const STATUS_WORD: usize = 3;

/// The chain of one core.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chain {
    pub(super) memory: Descriptors,
}

impl Chain {
    /// Descriptors that fit.
    pub(super) const PIECES: usize = Descriptors::BYTES / DESCRIPTOR_BYTES;

    /// The address of a descriptor.
    pub(super) fn address(self, index: usize) -> u64 {
        self.memory.address(index * WORDS)
    }

    /// The addresses of the first `count` descriptors.
    pub(super) fn range(self, count: usize) -> core::ops::Range<u64> {
        self.memory.range(0, count * WORDS)
    }

    /// Writes a descriptor for each of `pieces`, none of them complete. The last points to the
    /// first, which is not fetched again: the tail pointer ends the chain.
    pub(super) fn write(self, pieces: &[Piece]) {
        for (index, piece) in pieces.iter().enumerate() {
            let next = self.address((index + 1) % pieces.len());
            let control = u64::from(piece.len_bytes);
            let words = [next, piece.source, piece.destination, control];
            self.memory.write(index * WORDS, &words);
        }
    }

    /// Whether the core has said of a descriptor that it is complete.
    pub(super) fn is_complete(self, index: usize) -> bool {
        let word = self.memory.read(index * WORDS + STATUS_WORD);
        (word >> 32) as u32 & COMPLETE != 0
    }
}
