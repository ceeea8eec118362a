//! Memory that a peer may read or write through the engine meanwhile.
//!
//! Atomic words, since there is no moment at which a program could own it alone.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use unimux_driver::DmaBlock;
use unimux_guest_rt::memory::FreeMemory;

/// Words moved at a time when bytes are wanted.
const CHUNK_WORDS: usize = 512;

/// A page-aligned buffer. Its IPA is its address.
#[derive(Clone, Copy, Debug)]
pub struct Buffer {
    words: &'static [AtomicU64],
}

impl Buffer {
    /// Takes a zeroed buffer of at least `len_bytes`, in whole pages.
    ///
    /// # Panics
    /// If the guest has not so much RAM left.
    pub fn take(memory: &mut FreeMemory, len_bytes: usize) -> Self {
        Self {
            words: memory.take_words(len_bytes),
        }
    }

    /// Where it begins.
    pub fn ipa(self) -> u64 {
        self.words.as_ptr().addr() as u64
    }

    /// Its length.
    pub fn len_bytes(self) -> u64 {
        self.words.len() as u64 * 8
    }

    /// Its words.
    pub fn words(self) -> &'static [AtomicU64] {
        self.words
    }

    /// The buffer as memory for a queue.
    pub fn block(self) -> DmaBlock {
        DmaBlock::new(self.words, self.ipa())
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
