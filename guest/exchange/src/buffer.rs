//! Memory that a peer may read or write through the engine meanwhile.
//!
//! Atomic words, since there is no moment at which a program could own it alone.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use unimux_driver::{DmaBlock, Error, Memory};

/// Words moved at a time when bytes are wanted.
const CHUNK_WORDS: usize = 512;

/// A page-aligned buffer.
#[derive(Clone, Copy, Debug)]
pub struct Buffer {
    words: &'static [AtomicU64],
    address: u64,
}

impl Buffer {
    /// The buffer `words`, whose first byte requests name `address`.
    pub const fn new(words: &'static [AtomicU64], address: u64) -> Self {
        Self { words, address }
    }

    /// Takes a buffer of at least `len_bytes`, contiguous for the firmware; requests name it by
    /// its IPA.
    ///
    /// # Errors
    /// [`Error::BlockTooSmall`] if the guest has not so much memory left.
    pub fn take(memory: &mut impl Memory, len_bytes: usize) -> Result<Self, Error> {
        let block = memory.take_block(len_bytes as u64)?;
        Ok(Self::new(block.words(), block.ipa()))
    }

    /// Where it begins, as requests name it.
    pub const fn address(self) -> u64 {
        self.address
    }

    /// Its length.
    pub fn len_bytes(self) -> u64 {
        self.words.len() as u64 * 8
    }

    /// Its words.
    pub fn words(self) -> &'static [AtomicU64] {
        self.words
    }

    /// The buffer as memory for a queue: only if it was taken with [`take`](Self::take).
    pub const fn block(self) -> DmaBlock {
        DmaBlock::new(self.words, self.address)
    }

    /// Word `index`, as it is now.
    pub fn load(self, index: usize) -> u64 {
        self.words[index].load(Relaxed)
    }

    /// Stores word `index`.
    pub fn store(self, index: usize, value: u64) {
        self.words[index].store(value, Relaxed);
    }

    /// Fills it with a pattern in which every word differs, for each `seed` another one.
    pub fn fill_pattern(self, seed: u64) {
        for (word, index) in self.words.iter().zip(0..) {
            word.store(pattern(seed, index), Relaxed);
        }
    }

    /// Index of the first of `words` words that does not hold the pattern of `seed`.
    pub fn pattern_mismatch(self, seed: u64, words: usize) -> Option<usize> {
        let mut indexed = self.words[..words].iter().zip(0..);
        indexed.position(|(word, index)| word.load(Relaxed) != pattern(seed, index))
    }

    /// Copies `bytes` to the place `offset_bytes` on, a multiple of eight. A last word that is not
    /// whole ends with zeros.
    pub fn write(self, offset_bytes: usize, bytes: &[u8]) {
        let words = self.words.iter().skip(offset_bytes / 8);
        for (word, bytes) in words.zip(bytes.chunks(8)) {
            let mut padded = [0; 8];
            padded[..bytes.len()].copy_from_slice(bytes);
            word.store(u64::from_le_bytes(padded), Relaxed);
        }
    }

    /// Gives the first `len_bytes` bytes to `each`, in pieces that were copied out.
    pub fn for_bytes(self, len_bytes: usize, mut each: impl FnMut(&[u8])) {
        let mut left = len_bytes;
        let mut piece = [0; CHUNK_WORDS * 8];
        for words in self.words.chunks(CHUNK_WORDS) {
            for (to, from) in piece.as_chunks_mut().0.iter_mut().zip(words) {
                *to = from.load(Relaxed).to_le_bytes();
            }
            let len = left.min(words.len() * 8);
            if len == 0 {
                return;
            }
            each(&piece[..len]);
            left -= len;
        }
    }
}

/// Word `index` of the pattern of `seed` (the finalizer of SplitMix64).
fn pattern(seed: u64, index: u64) -> u64 {
    let mixed = (seed ^ index.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_add(index);
    let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb)
}
