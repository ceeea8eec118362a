//! The windows through which a function reaches its guest's memory.
//!
//! A window maps a range of IPAs to as long a range of PAs, as stage 2 does; this is the
//! firmware's own record of it, which no guest can write.
// UNSAFETY: `grant` is where the hypervisor promises that memory belongs to a guest.
#![expect(
    unsafe_code,
    reason = "a grant is a promise that the compiler cannot check"
)]

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU16, Ordering};

use thiserror::Error;

use crate::window::Window;
use crate::{Ipa, Pa, Span};

/// How many windows one function can have, if nobody says otherwise.
pub const USUAL_WINDOWS: usize = 16;

/// Places to remember where a window was found, and how much memory shares one: 2 MiB, the frames
/// of a virtual machine on huge pages.
const HINTS: usize = 8;
const HINT_SHIFT: u32 = 21;

/// Why a window was not granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum GrantError {
    /// The window has no byte.
    #[error("the window is empty")]
    Empty,
    /// Its end does not fit in an address.
    #[error("the window wraps around the address space")]
    Wraps,
    /// It covers an IPA that another window covers.
    #[error("the window overlaps the one at {0}")]
    Overlaps(Ipa),
    /// The function has as many windows as it can have: so many.
    #[error("the function has {0} windows already")]
    Full(usize),
}

/// A range that no window covers: an address the guest may not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("no window covers {len_bytes} bytes at {ipa}")]
pub struct OutOfReach {
    /// Where the range begins.
    pub ipa: Ipa,
    /// Its length in bytes.
    pub len_bytes: u64,
}

/// The memory that one function may name, by IPA.
///
/// Windows that are adjacent in both kinds of addresses are one. Room for all there can be is
/// taken when it is made; nothing allocates later.
#[derive(Debug)]
pub struct Windows {
    /// In the order of their IPAs.
    sorted: Vec<Window>,
    capacity: usize,
    /// Where windows were found last, by the address asked for. A wrong one costs a search.
    hints: [AtomicU16; HINTS],
}

impl Default for Windows {
    fn default() -> Self {
        Self::new()
    }
}

impl Clone for Windows {
    fn clone(&self) -> Self {
        let mut clone = Self::with_capacity(self.capacity);
        clone.sorted.extend_from_slice(&self.sorted);
        clone
    }
}

impl Windows {
    /// No memory at all, and room for [`USUAL_WINDOWS`].
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(USUAL_WINDOWS)
    }

    /// No memory at all, and room for `capacity` windows.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            sorted: Vec::with_capacity(capacity),
            capacity,
            hints: [const { AtomicU16::new(0) }; HINTS],
        }
    }

    /// Lets the function name the `len_bytes` bytes at `pa` by the IPAs from `ipa` on.
    ///
    /// # Errors
    ///
    /// [`GrantError`] says why the window was refused; nothing changed then.
    ///
    /// # Safety
    ///
    /// 1. The memory is mapped readable and writable at its physical address, in this program,
    ///    for as long as it runs. On the host, its provenance has been exposed.
    /// 2. No Rust object lives in it, nor ever will: the guest and the engines write it at will.
    /// 3. It belongs to this function's guest: whoever may write it through this function may
    ///    also write it directly.
    pub unsafe fn grant(&mut self, ipa: Ipa, pa: Pa, len_bytes: u64) -> Result<(), GrantError> {
        pa.checked_add(len_bytes).ok_or(GrantError::Wraps)?;
        // SAFETY: points 1 and 2 are the caller's promise; the end does not wrap, checked above.
        let memory = unsafe { Span::new(pa, len_bytes) };
        self.grant_span(ipa, memory)
    }

    /// Lets the function name `memory`, which is somebody's already, by the IPAs from `ipa` on.
    ///
    /// The span is the proof that no Rust object can be hurt; whose memory it may be is for the
    /// caller to decide.
    ///
    /// # Errors
    ///
    /// [`GrantError`] says why the window was refused; nothing changed then.
    pub fn grant_span(&mut self, ipa: Ipa, memory: Span) -> Result<(), GrantError> {
        if memory.is_empty() {
            return Err(GrantError::Empty);
        }
        let end = ipa.checked_add(memory.len_bytes());
        end.ok_or(GrantError::Wraps)?;
        let new = Window { ipa, memory };
        let place = self.above(ipa);
        let overlapped = match (place.checked_sub(1), self.sorted.get(place)) {
            (Some(below), _) if self.sorted[below].last() >= ipa.get() => Some(below),
            (_, Some(above)) if new.last() >= above.ipa.get() => Some(place),
            _ => None,
        };
        if let Some(other) = overlapped {
            return Err(GrantError::Overlaps(self.sorted[other].ipa));
        }
        let joins_above = (self.sorted.get(place)).is_some_and(|above| new.goes_on_in(above));
        match place.checked_sub(1) {
            Some(below) if self.sorted[below].goes_on_in(&new) => {
                self.sorted[below].append(&new);
                if joins_above {
                    let above = self.sorted.remove(place);
                    self.sorted[below].append(&above);
                }
            }
            _ if joins_above => {
                let above = core::mem::replace(&mut self.sorted[place], new);
                self.sorted[place].append(&above);
            }
            _ if self.sorted.len() == self.capacity => {
                return Err(GrantError::Full(self.capacity));
            }
            _ => self.sorted.insert(place, new),
        }
        Ok(())
    }

    /// Takes the `len_bytes` bytes at `ipa` away again; tells what they were. `None` if no single
    /// window covers them all, or if two parts were left of it and there is no room for both: not
    /// for what was granted last.
    pub fn revoke(&mut self, ipa: Ipa, len_bytes: u64) -> Option<Span> {
        let place = self.above(ipa).checked_sub(1)?;
        let window = self.sorted[place];
        let memory = window.all(ipa, len_bytes).filter(|it| !it.is_empty())?;
        match (window.before(ipa), window.from(ipa.checked_add(len_bytes)?)) {
            (None, None) => drop(self.sorted.remove(place)),
            (Some(left), None) | (None, Some(left)) => self.sorted[place] = left,
            (Some(_), Some(_)) if self.sorted.len() == self.capacity => return None,
            (Some(below), Some(above)) => {
                self.sorted[place] = below;
                self.sorted.insert(place + 1, above);
            }
        }
        Some(memory)
    }

    /// The memory behind `len_bytes` bytes at `ipa`, if one window covers all of it.
    ///
    /// # Errors
    ///
    /// [`OutOfReach`] if no single window covers the range.
    pub fn translate(&self, ipa: Ipa, len_bytes: u64) -> Result<Span, OutOfReach> {
        match self.guess(ipa) {
            Some(window) => window.all(ipa, len_bytes),
            None => self
                .search(ipa)
                .and_then(|window| window.all(ipa, len_bytes)),
        }
        .ok_or(OutOfReach { ipa, len_bytes })
    }

    /// As much of the `len_bytes` bytes at `ipa` as lies in one window: at least one byte.
    ///
    /// # Errors
    ///
    /// [`OutOfReach`] if no window covers the first byte, or there is none.
    pub fn translate_some(&self, ipa: Ipa, len_bytes: u64) -> Result<Span, OutOfReach> {
        match self.guess(ipa) {
            Some(window) => window
                .some(ipa, len_bytes)
                .ok_or(OutOfReach { ipa, len_bytes }),
            None => self.search_some(ipa, len_bytes),
        }
    }

    /// Takes all windows away.
    pub fn clear(&mut self) {
        self.sorted.clear();
    }

    /// How many windows there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.sorted.len()
    }

    /// How many bytes the function can name.
    #[must_use]
    pub fn len_bytes(&self) -> u64 {
        self.sorted
            .iter()
            .map(|window| window.memory.len_bytes())
            .sum()
    }

    /// The only window, or the one that was found for such an address last, if it covers `ipa`.
    #[inline]
    fn guess(&self, ipa: Ipa) -> Option<&Window> {
        // A guest's RAM is one window, mostly: there is nothing to look for then.
        if let [only] = &*self.sorted {
            return Some(only);
        }
        let hint = self.hint(ipa).load(Ordering::Relaxed);
        let window = self.sorted.get(usize::from(hint))?;
        window.covers(ipa).then_some(window)
    }

    const fn hint(&self, ipa: Ipa) -> &AtomicU16 {
        &self.hints[(ipa.get() >> HINT_SHIFT) as usize % HINTS]
    }

    /// The window that covers `ipa`, if any does, among many.
    fn search(&self, ipa: Ipa) -> Option<&Window> {
        let place = self.above(ipa).checked_sub(1)?;
        self.hint(ipa).store(place as u16, Ordering::Relaxed);
        self.sorted.get(place)
    }

    /// [`translate_some`](Self::translate_some) where nothing is remembered.
    #[inline(never)]
    fn search_some(&self, ipa: Ipa, len_bytes: u64) -> Result<Span, OutOfReach> {
        self.search(ipa)
            .and_then(|window| window.some(ipa, len_bytes))
            .ok_or(OutOfReach { ipa, len_bytes })
    }

    /// How many windows begin at `ipa` or below.
    fn above(&self, ipa: Ipa) -> usize {
        self.sorted.partition_point(|window| window.ipa <= ipa)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use alloc::boxed::Box;
    use alloc::vec;

    use super::*;

    /// Windows over `len_bytes` bytes of test memory, named from `ipa` on.
    fn one_window(ipa: u64, len_bytes: u64) -> (Windows, Pa) {
        let memory: &'static mut [u64] =
            Box::leak(vec![0u64; (len_bytes / 8) as usize].into_boxed_slice());
        let pa = Pa::new(memory.as_mut_ptr().expose_provenance() as u64);
        let mut windows = Windows::new();
        // SAFETY: the buffer is leaked, exposed, and nothing else uses it.
        unsafe { windows.grant(Ipa::new(ipa), pa, len_bytes) }.unwrap();
        (windows, pa)
    }

    #[test]
    fn only_what_was_granted_can_be_named() {
        let (windows, pa) = one_window(0x1000, 0x100);
        assert_eq!(windows.translate(Ipa::new(0x1000), 0x100).unwrap().pa(), pa);
        assert!(windows.translate(Ipa::new(0x1000), 0x101).is_err());
        assert!(windows.translate(Ipa::new(0xfff), 1).is_err());
        assert!(windows.translate(Ipa::new(0x10ff), 1).is_ok());
        assert!(windows.translate(Ipa::new(0x1100), 1).is_err());
        assert!(windows.translate(Ipa::new(0x1010), u64::MAX).is_err());
        assert!(windows.translate(Ipa::new(u64::MAX), 2).is_err());
    }

    #[test]
    fn windows_that_overlap_or_wrap_are_refused() {
        let (mut windows, pa) = one_window(0x1000, 0x100);
        // SAFETY: none of these grants is accepted.
        let mut grant = |ipa, len| unsafe { windows.grant(Ipa::new(ipa), pa, len) };
        assert_eq!(
            grant(0x10ff, 8),
            Err(GrantError::Overlaps(Ipa::new(0x1000)))
        );
        assert_eq!(grant(0xff9, 8), Err(GrantError::Overlaps(Ipa::new(0x1000))));
        assert_eq!(grant(0x2000, 0), Err(GrantError::Empty));
        assert_eq!(grant(u64::MAX - 3, 8), Err(GrantError::Wraps));
    }

    #[test]
    fn adjacent_windows_are_one() {
        let (windows, pa) = one_window(0x1000, 0x400);
        let all = windows.translate(Ipa::new(0x1000), 0x400).unwrap();
        let part = |offset| all.part(offset, 0x100).unwrap();
        let mut windows = Windows::with_capacity(2);
        windows.grant_span(Ipa::new(0x8000), part(0)).unwrap();
        windows.grant_span(Ipa::new(0x8200), part(0x200)).unwrap();
        let third = windows.grant_span(Ipa::new(0x9000), part(0x300));
        assert_eq!(third, Err(GrantError::Full(2)));
        assert!(windows.translate(Ipa::new(0x8000), 0x101).is_err());
        windows.grant_span(Ipa::new(0x8100), part(0x100)).unwrap();
        assert_eq!((windows.count(), windows.len_bytes()), (1, 0x300));
        let whole = windows.translate(Ipa::new(0x8000), 0x300).unwrap();
        assert_eq!(whole.pa(), pa);
        let copy = windows.clone();
        windows.clear();
        assert!(windows.translate(Ipa::new(0x8000), 1).is_err());
        assert!(copy.translate(Ipa::new(0x8000), 1).is_ok());
    }

    #[test]
    fn what_is_revoked_leaves_the_rest() {
        let (windows, pa) = one_window(0x1000, 0x400);
        let all = windows.translate(Ipa::new(0x1000), 0x400).unwrap();
        let mut windows = Windows::with_capacity(2);
        windows.grant_span(Ipa::new(0x8000), all).unwrap();
        let mut revoke = |ipa, len| Some(windows.revoke(Ipa::new(ipa), len)?.pa().get());
        assert_eq!(revoke(0x8200, 0x201), None, "not all of it is there");
        assert_eq!(revoke(0x8200, 0), None);
        assert_eq!(revoke(0x8000, 0x80), Some(pa.get()));
        assert_eq!(revoke(0x8380, 0x80), Some(pa.get() + 0x380));
        assert_eq!(revoke(0x8180, 0x80), Some(pa.get() + 0x180));
        assert_eq!(revoke(0x8100, 8), None, "three parts are too many");
        assert_eq!(windows.len_bytes(), 0x280);
        let translate = |ipa| Some(windows.translate(Ipa::new(ipa), 0x80).ok()?.pa().get());
        assert_eq!(translate(0x8000), None);
        assert_eq!(translate(0x8100), Some(pa.get() + 0x100));
        assert_eq!(translate(0x8180), None);
        assert_eq!(translate(0x8200), Some(pa.get() + 0x200));
        assert_eq!(
            windows.revoke(Ipa::new(0x8080), 0x100).map(Span::len_bytes),
            Some(0x100)
        );
        assert_eq!(windows.count(), 1);
    }

    #[test]
    fn a_window_is_found_among_many() {
        let (windows, pa) = one_window(0, 0x10_0000);
        let all = windows.translate(Ipa::new(0), 0x10_0000).unwrap();
        let mut windows = Windows::with_capacity(1024);
        // Pages in an order of their own, as a host's free list hands them out: none adjacent.
        for page in 0..256 {
            let frame = page * 0x67 % 256;
            let memory = all.part(frame * 0x1000, 0x1000).unwrap();
            let ipa = Ipa::new(0x4000_0000 + (255 - page) * 0x1000);
            windows.grant_span(ipa, memory).unwrap();
        }
        assert_eq!(windows.count(), 256);
        for page in 0..256 {
            let ipa = 0x4000_0000 + (255 - page) * 0x1000;
            let span = windows.translate_some(Ipa::new(ipa + 0xff8), 16).unwrap();
            let expected = pa.get() + page * 0x67 % 256 * 0x1000 + 0xff8;
            assert_eq!((span.pa().get(), span.len_bytes()), (expected, 8));
        }
        assert!(windows.translate(Ipa::new(0x3fff_ffff), 1).is_err());
        assert!(windows.translate(Ipa::new(0x4010_0000), 1).is_err());
    }

    #[test]
    fn a_range_can_be_walked_window_by_window() {
        let (mut windows, pa) = one_window(0x1000, 0x100);
        // SAFETY: the same leaked buffer under another address.
        unsafe { windows.grant(Ipa::new(0x1100), pa, 0x80) }.unwrap();
        let some = |ipa, len| {
            windows
                .translate_some(Ipa::new(ipa), len)
                .map(Span::len_bytes)
        };
        assert_eq!(some(0x10f0, 0x20), Ok(0x10));
        assert_eq!(some(0x1100, 0x100), Ok(0x80));
        assert!(some(0x1180, 1).is_err());
        assert!(some(0x1000, 0).is_err(), "no byte is no place");
    }

    #[test]
    fn bytes_land_at_any_alignment() {
        let (windows, _) = one_window(0, 64);
        for start in 0..16 {
            let all = windows.translate(Ipa::new(0), 64).unwrap();
            all.write(0, &[0; 8]).unwrap();
            let bytes: [u8; 21] = core::array::from_fn(|i| i as u8 + 1);
            windows
                .translate(Ipa::new(start), 21)
                .unwrap()
                .write_bytes(&bytes)
                .unwrap();
            let mut words = [0; 8];
            all.read(0, &mut words).unwrap();
            let mut expected = [0u8; 64];
            expected[start as usize..start as usize + 21].copy_from_slice(&bytes);
            assert_eq!(words.map(u64::to_le_bytes).concat(), expected);
            assert_eq!(
                windows
                    .translate(Ipa::new(60), 4)
                    .unwrap()
                    .write_bytes(&bytes),
                None
            );
        }
    }

    #[test]
    fn words_are_read_and_written_where_they_lie() {
        let (windows, _) = one_window(0, 64);
        let span = windows.translate(Ipa::new(0), 64).unwrap();
        span.write(8, &[1, 2, 3]).unwrap();
        let mut read = [0; 4];
        span.read(0, &mut read).unwrap();
        assert_eq!(read, [0, 1, 2, 3]);
        assert_eq!(
            span.read(40, &mut read),
            None,
            "the last word lies past the end"
        );
        assert!(span.word(4).is_none(), "not aligned");
        assert!(span.word(64).is_none(), "past the end");
    }

    #[test]
    fn records_need_their_alignment() {
        let memory: &'static mut [u64] = Box::leak(vec![0u64; 64].into_boxed_slice());
        let pa = memory.as_mut_ptr().expose_provenance() as u64;
        let mut windows = Windows::new();
        // SAFETY: the buffer is leaked, exposed, and nothing else uses it.
        unsafe { windows.grant(Ipa::new(0), Pa::new(pa), 512) }.unwrap();
        let first = (64 - pa % 64) % 64;
        let line = |at, len| windows.translate(Ipa::new(at), len).unwrap().lines::<8>();
        assert_eq!(line(first, 128).unwrap().len(), 2);
        assert!(line(first + 8, 64).is_none());
        assert!(line(first, 72).is_none());
    }
}
