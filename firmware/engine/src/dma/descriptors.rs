//! Memory for descriptors: Unimux's own, written by the core and read by the device.

use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};

/// Words of memory that a device reads by the same addresses as this program.
#[derive(Clone, Copy, Debug)]
pub struct Descriptors {
    words: &'static [AtomicU64],
}

impl Descriptors {
    /// Bytes that every channel needs, and their alignment: a page, so that no list crosses one.
    pub const BYTES: usize = 4096;

    /// Takes a page for good.
    ///
    /// # Panics
    ///
    /// If it is not an aligned page.
    #[must_use]
    pub fn new(words: &'static [AtomicU64]) -> Self {
        assert_eq!(size_of_val(words), Self::BYTES, "a page of descriptors");
        assert!(
            words.as_ptr().addr().is_multiple_of(Self::BYTES),
            "an aligned page of descriptors"
        );
        Self { words }
    }

    /// The address of a word.
    #[must_use]
    pub fn address(self, word: usize) -> u64 {
        let place = &raw const self.words[word];
        place.expose_provenance() as u64
    }

    /// The addresses of `count` words.
    #[must_use]
    pub fn range(self, first: usize, count: usize) -> Range<u64> {
        let start = self.address(first);
        start..start + count as u64 * 8
    }

    /// Writes words that the device may read after the next barrier.
    pub fn write(self, first: usize, words: &[u64]) {
        for (place, &word) in self.words[first..].iter().zip(words) {
            place.store(word, Ordering::Relaxed);
        }
    }

    /// Reads a word that the device may have written before the last barrier.
    #[must_use]
    pub fn read(self, word: usize) -> u64 {
        self.words[word].load(Ordering::Relaxed)
    }
}
