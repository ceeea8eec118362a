//! The guest's own RAM, handed out once and for ever.
//!
//! There is no heap and nothing is given back: a program takes at its start what it needs.
#![expect(unsafe_code, reason = "free RAM becomes slices here, once")]
// UNSAFETY: RAM beyond the image belongs to no Rust object until this module gives it out.

use core::ops::Range;
use core::sync::atomic::AtomicU64;

use unimux_driver::{DmaBlock, Error, Memory};

/// What slices are aligned to, and the granule of memory regions.
pub const PAGE_BYTES: usize = 4096;

/// RAM that nobody has taken yet, as addresses (IPA and VA are the same).
#[derive(Debug)]
pub struct FreeMemory {
    next: usize,
    end: usize,
}

impl FreeMemory {
    /// # Safety
    /// `range` is RAM, mapped writable, that no object lies in and no one else is given.
    pub(crate) unsafe fn new(range: Range<usize>) -> Self {
        Self {
            next: range.start.next_multiple_of(PAGE_BYTES),
            end: range.end & !(PAGE_BYTES - 1),
        }
    }

    /// Bytes that are left.
    pub fn left_bytes(&self) -> usize {
        self.end.saturating_sub(self.next)
    }

    /// Takes `len_bytes` rounded up to whole pages: zeroed and page-aligned.
    ///
    /// # Panics
    /// If so much is not left; a program is given its RAM by the scenario.
    pub fn take(&mut self, len_bytes: usize) -> &'static mut [u8] {
        self.take_aligned(len_bytes, PAGE_BYTES)
    }

    /// As [`take`](Self::take), aligned to `align_bytes`, a power of two of at least a page.
    ///
    /// # Panics
    /// If so much is not left.
    pub fn take_aligned(&mut self, len_bytes: usize, align_bytes: usize) -> &'static mut [u8] {
        let len = len_bytes.next_multiple_of(PAGE_BYTES);
        let start = self.next.next_multiple_of(align_bytes.max(PAGE_BYTES));
        let end = start.checked_add(len).filter(|&end| end <= self.end);
        let Some(end) = end else {
            panic!("{len_bytes} bytes wanted, {} left", self.left_bytes());
        };
        self.next = end;
        let start = core::ptr::with_exposed_provenance_mut::<u8>(start);
        // SAFETY:
        // 1. `new`'s caller gave this module all of the range, and `next` has moved past the slice,
        //    so no other reference to it exists or will.
        // 2. The range is mapped RAM; `end <= self.end` was checked without overflow.
        // 3. Any bytes are valid `u8`s, and they are zeroed through the pointer first.
        unsafe {
            start.write_bytes(0, len);
            core::slice::from_raw_parts_mut(start, len)
        }
    }

    /// Takes memory that somebody else reads or writes meanwhile: `len_bytes` rounded up to whole
    /// pages, zeroed, as atomic words. Its IPA is its address.
    ///
    /// # Panics
    /// If so much is not left.
    pub fn take_words(&mut self, len_bytes: usize) -> &'static [AtomicU64] {
        let bytes = self.take(len_bytes);
        // SAFETY: the slice is the only reference, page-aligned and a multiple of eight long, and
        // `AtomicU64` has the layout of `u64`, for which any bytes are valid.
        let (before, words, after) = unsafe { bytes.align_to::<AtomicU64>() };
        assert!(
            before.is_empty() && after.is_empty(),
            "whole pages are whole words"
        );
        words
    }
}

impl Memory for FreeMemory {
    fn take_block(&mut self, len_bytes: u64) -> Result<DmaBlock, Error> {
        let left = self.left_bytes();
        let wanted = usize::try_from(len_bytes)
            .ok()
            .and_then(|len| len.checked_next_multiple_of(PAGE_BYTES))
            .filter(|&len| len <= left);
        let Some(wanted) = wanted else {
            return Err(Error::BlockTooSmall {
                needed_bytes: len_bytes,
                given_bytes: left as u64,
            });
        };
        let words = self.take_words(wanted);
        Ok(DmaBlock::new(words, words.as_ptr().addr() as u64))
    }
}
