//! One window: a range of IPAs, and as long a range of memory.
//!
//! Whether it may be granted, and which one an address is in, is for `windows` to say.
// UNSAFETY: two spans that are adjacent become one.
#![expect(
    unsafe_code,
    reason = "a span is a promise that the compiler cannot check"
)]

use crate::{Ipa, Span};

/// A range of IPAs, and the memory behind it: never empty, and its end does not wrap.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) ipa: Ipa,
    pub(crate) memory: Span,
}

impl Window {
    /// Its last address.
    pub(crate) const fn last(&self) -> u64 {
        self.ipa.get() + (self.memory.len_bytes() - 1)
    }

    pub(crate) const fn covers(&self, ipa: Ipa) -> bool {
        self.ipa.get() <= ipa.get() && ipa.get() <= self.last()
    }

    /// The `len_bytes` bytes at `ipa`, if it covers all of them.
    pub(crate) fn all(&self, ipa: Ipa, len_bytes: u64) -> Option<Span> {
        self.memory.part(ipa.offset_from(self.ipa)?, len_bytes)
    }

    /// As many of them as it covers: at least one.
    #[inline]
    pub(crate) fn some(&self, ipa: Ipa, len_bytes: u64) -> Option<Span> {
        let offset = ipa.offset_from(self.ipa)?;
        let left = self.memory.len_bytes().checked_sub(offset)?;
        let some = self.memory.part(offset, len_bytes.min(left))?;
        (!some.is_empty()).then_some(some)
    }

    /// What is left of it below `ipa`, which it covers.
    pub(crate) fn before(&self, ipa: Ipa) -> Option<Self> {
        let memory = self.memory.part(0, ipa.offset_from(self.ipa)?)?;
        (!memory.is_empty()).then_some(Self { memory, ..*self })
    }

    /// What is left of it from `ipa` on.
    pub(crate) fn from(&self, ipa: Ipa) -> Option<Self> {
        let offset = ipa.offset_from(self.ipa)?;
        let left = self.memory.len_bytes().checked_sub(offset)?;
        let memory = self.memory.part(offset, left)?;
        (!memory.is_empty()).then_some(Self { ipa, memory })
    }

    /// Whether `next` goes on where this one ends, in both kinds of addresses.
    pub(crate) fn goes_on_in(&self, next: &Self) -> bool {
        let len_bytes = self.memory.len_bytes();
        self.ipa.checked_add(len_bytes) == Some(next.ipa)
            && self.memory.pa().checked_add(len_bytes) == Some(next.memory.pa())
    }

    /// Makes this window longer by the one that it goes on in.
    pub(crate) fn append(&mut self, next: &Self) {
        debug_assert!(self.goes_on_in(next));
        let len_bytes = self.memory.len_bytes() + next.memory.len_bytes();
        // SAFETY: 1. and 2. hold for both parts, so they hold for both together. 3. The sum is
        // where the second part ends, which does not wrap.
        self.memory = unsafe { Span::new(self.memory.pa(), len_bytes) };
    }
}
