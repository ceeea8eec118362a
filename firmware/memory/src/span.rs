//! A piece of memory that belongs to a guest, seen as atomics.
//!
//! It grants nothing: only [`Windows::translate`](crate::Windows::translate) makes one.
//!
//! A guest may write its memory at any moment, so Unimux holds no reference to a plain value in
//! it. Every word is an [`AtomicU64`], and who needs a record copies it out word by word, once.
// UNSAFETY: turns physical addresses into references; this is the one place that does.
#![expect(
    unsafe_code,
    reason = "a physical address becomes a reference here and only here"
)]

use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use crate::Pa;

/// Bytes in a word.
const WORD: u64 = 8;

/// Memory of a guest: `len_bytes` bytes from `pa` on.
///
/// A span proves that the memory was granted (see [`Windows::grant`](crate::Windows::grant)); it
/// says nothing about what is in it, or about when the guest changes that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pa: Pa,
    len_bytes: u64,
}

impl Span {
    /// No bytes at all.
    pub const EMPTY: Self = Self {
        pa: Pa::new(0),
        len_bytes: 0,
    };

    /// The span of `len_bytes` bytes at `pa`.
    ///
    /// # Safety
    ///
    /// 1. All of it is mapped readable and writable at that address, for as long as the program
    ///    runs.
    /// 2. No Rust object lives in it, nor ever will.
    /// 3. `pa + len_bytes` does not wrap.
    pub(crate) const unsafe fn new(pa: Pa, len_bytes: u64) -> Self {
        Self { pa, len_bytes }
    }

    /// Where the span begins.
    #[must_use]
    pub const fn pa(self) -> Pa {
        self.pa
    }

    /// Its length in bytes.
    #[must_use]
    pub const fn len_bytes(self) -> u64 {
        self.len_bytes
    }

    /// Whether it covers no byte.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len_bytes == 0
    }

    /// The part of `len_bytes` bytes that begins `offset_bytes` into the span, or `None` if it
    /// would reach past the end.
    #[must_use]
    pub const fn part(self, offset_bytes: u64, len_bytes: u64) -> Option<Self> {
        let Some(end) = offset_bytes.checked_add(len_bytes) else {
            return None;
        };
        if end > self.len_bytes {
            return None;
        }
        // `offset_bytes <= end <= self.len_bytes`, so the sum stays inside the span: no wrap.
        Some(Self {
            pa: Pa::new(self.pa.get() + offset_bytes),
            len_bytes,
        })
    }

    /// The span's first `len_bytes` bytes, or all of it if it is shorter, and the rest.
    #[must_use]
    #[inline]
    pub fn split_at(self, len_bytes: u64) -> (Self, Self) {
        let len_bytes = len_bytes.min(self.len_bytes);
        let first = Self { len_bytes, ..self };
        // At most the span's own end: no wrap.
        let rest = Self {
            pa: Pa::new(self.pa.get() + len_bytes),
            len_bytes: self.len_bytes - len_bytes,
        };
        (first, rest)
    }

    /// The 64-bit word `offset_bytes` into the span, or `None` if it is not inside the span or
    /// not naturally aligned in memory.
    #[must_use]
    pub fn word(self, offset_bytes: u64) -> Option<&'static AtomicU64> {
        let word = self.part(offset_bytes, WORD)?;
        if !word.pa.is_aligned(WORD) {
            return None;
        }
        let address = usize::try_from(word.pa.get()).ok()?;
        let pointer = core::ptr::with_exposed_provenance::<AtomicU64>(address);
        // SAFETY: 1. The word lies in a span, so it is mapped for as long as the program runs and
        // holds no Rust object (Windows::grant); a guest that writes it is a race between
        // atomics. 2. It is aligned, checked above. 3. Any bit pattern is a valid AtomicU64.
        Some(unsafe { &*pointer })
    }

    /// Reads `words` from `offset_bytes` on, one relaxed 64-bit load each.
    ///
    /// Returns `None`, with `words` unspecified, if the words are not inside the span or not
    /// naturally aligned.
    #[must_use]
    pub fn read(self, offset_bytes: u64, words: &mut [u64]) -> Option<()> {
        for (i, word) in words.iter_mut().enumerate() {
            let at = offset_bytes.checked_add(i as u64 * WORD)?;
            *word = self.word(at)?.load(Ordering::Relaxed);
        }
        Some(())
    }

    /// Writes `words` from `offset_bytes` on, one relaxed 64-bit store each.
    ///
    /// Returns `None`, with part of the words possibly written, if they are not all inside the
    /// span or not naturally aligned.
    #[must_use]
    pub fn write(self, offset_bytes: u64, words: &[u64]) -> Option<()> {
        for (i, &word) in words.iter().enumerate() {
            let at = offset_bytes.checked_add(i as u64 * WORD)?;
            self.word(at)?.store(word, Ordering::Relaxed);
        }
        Some(())
    }

    /// Writes `bytes` to the beginning of the span, at whatever alignment it has.
    ///
    /// An aligned 64-bit word is written whole, so that a guest never sees half of one.
    /// Returns `None`, with nothing written, if they do not fit.
    #[must_use]
    pub fn write_bytes(self, bytes: &[u8]) -> Option<()> {
        let target = self.part(0, bytes.len() as u64)?;
        let mut written = 0;
        for chunk in bytes.chunks(WORD as usize) {
            match (<[u8; WORD as usize]>::try_from(chunk), target.word(written)) {
                (Ok(word), Some(aligned)) => {
                    aligned.store(u64::from_le_bytes(word), Ordering::Relaxed);
                }
                _ => target.part(written, chunk.len() as u64)?.write_each(chunk),
            }
            written += chunk.len() as u64;
        }
        Some(())
    }

    /// Writes `bytes`, which are as many as the span has, one by one.
    fn write_each(self, bytes: &[u8]) {
        debug_assert_eq!(bytes.len() as u64, self.len_bytes);
        let Ok(address) = usize::try_from(self.pa.get()) else {
            return;
        };
        let pointer = core::ptr::with_exposed_provenance::<AtomicU8>(address);
        // SAFETY: 1. The span is mapped for as long as the program runs and holds no Rust object;
        // a guest's writes race with atomics only. 2. A byte is always aligned. 3. Any bit
        // pattern is valid. 4. The length is the span's, which does not wrap.
        let target = unsafe { core::slice::from_raw_parts(pointer, bytes.len()) };
        for (to, &from) in target.iter().zip(bytes) {
            to.store(from, Ordering::Relaxed);
        }
    }

    /// The span as an array of records of `N` words each.
    ///
    /// Returns `None` unless the span begins on a multiple of a record's size and its length is a
    /// multiple of it.
    #[must_use]
    pub fn lines<const N: usize>(self) -> Option<&'static [Line<N>]> {
        let record = N as u64 * WORD;
        if record == 0
            || !self.pa.get().is_multiple_of(record)
            || !self.len_bytes.is_multiple_of(record)
        {
            return None;
        }
        let address = usize::try_from(self.pa.get()).ok()?;
        let count = usize::try_from(self.len_bytes / record).ok()?;
        let pointer = core::ptr::with_exposed_provenance::<Line<N>>(address);
        // SAFETY: 1. All `count` records lie inside the span, so they are mapped for as long as
        // the program runs, hold no Rust object, and a guest's writes race with atomics only.
        // 2. The address is a multiple of N * 8, hence aligned for `[AtomicU64; N]`. 3. Any bit
        // pattern is valid. 4. The size does not exceed the span's, which does not wrap.
        Some(unsafe { core::slice::from_raw_parts(pointer, count) })
    }
}

/// A record of `N` words that a guest can write at any time.
pub type Line<const N: usize> = [AtomicU64; N];
