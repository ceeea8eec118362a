//! Memory that guest and firmware share.
//!
//! It is not a buffer for data: regions are registered by address, and the driver never looks
//! into them.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::Error;

/// Where a guest gets memory for queues and lists.
pub trait Memory {
    /// Takes at least `len_bytes`, whole pages: zeroed, cacheable, contiguous for the firmware.
    ///
    /// # Errors
    ///
    /// [`Error::BlockTooSmall`] if so much is not left in one piece.
    fn take_block(&mut self, len_bytes: u64) -> Result<DmaBlock, Error>;

    /// The largest block that can be asked for; queues are made shorter where it is small.
    fn largest_block_bytes(&self) -> u64 {
        u64::MAX
    }
}

/// Zeroed or not, physically contiguous (in IPA terms) cacheable memory for a queue.
///
/// The words are atomics because the firmware reads and writes them meanwhile.
#[derive(Clone, Copy, Debug)]
pub struct DmaBlock {
    words: &'static [AtomicU64],
    ipa: u64,
}

impl DmaBlock {
    /// The block `words`, whose first word is at `ipa`.
    #[must_use]
    pub const fn new(words: &'static [AtomicU64], ipa: u64) -> Self {
        Self { words, ipa }
    }

    /// Where the block begins.
    #[must_use]
    pub const fn ipa(self) -> u64 {
        self.ipa
    }

    /// Its length in bytes.
    #[must_use]
    pub const fn len_bytes(self) -> u64 {
        self.words.len() as u64 * 8
    }

    /// Its words.
    #[must_use]
    pub const fn words(self) -> &'static [AtomicU64] {
        self.words
    }

    /// The part of `len_bytes` bytes from `offset_bytes` on; both are multiples of eight.
    ///
    /// # Errors
    ///
    /// [`Error::BlockTooSmall`] if it would reach past the end.
    pub fn part(self, offset_bytes: u64, len_bytes: u64) -> Result<Self, Error> {
        let too_small = Error::BlockTooSmall {
            needed_bytes: offset_bytes.saturating_add(len_bytes),
            given_bytes: self.len_bytes(),
        };
        let first = usize::try_from(offset_bytes / 8).map_err(|_| too_small)?;
        let count = usize::try_from(len_bytes / 8).map_err(|_| too_small)?;
        let end = first.checked_add(count).ok_or(too_small)?;
        let words = self.words.get(first..end).ok_or(too_small)?;
        Ok(Self {
            words,
            ipa: self.ipa + offset_bytes,
        })
    }

    /// The block as records of `N` words.
    pub(crate) fn records<const N: usize>(self) -> &'static [[AtomicU64; N]] {
        self.words.as_chunks::<N>().0
    }

    /// Whether it begins at a multiple of `alignment`.
    pub(crate) fn expect_aligned(self, alignment: u64) -> Result<(), Error> {
        if self.ipa.is_multiple_of(alignment) {
            Ok(())
        } else {
            Err(Error::Misaligned {
                ipa: self.ipa,
                alignment,
            })
        }
    }

    /// Fills it with zeros.
    pub(crate) fn clear(self) {
        for word in self.words {
            word.store(0, Ordering::Relaxed);
        }
    }
}
