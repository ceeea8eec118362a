//! A non-empty range of physical addresses that does not wrap.

use core::fmt;

use unimux_text::texts;

/// `base .. end` with `base < end`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PaRange {
    base: u64,
    end: u64,
}

impl PaRange {
    /// The range of `len_bytes` bytes from `base`; `None` if it is empty or passes 2^64.
    pub const fn new(base: u64, len_bytes: u64) -> Option<Self> {
        match base.checked_add(len_bytes) {
            Some(end) if len_bytes > 0 => Some(Self { base, end }),
            _ => None,
        }
    }

    /// First address.
    pub const fn base(&self) -> u64 {
        self.base
    }

    /// First address after it.
    pub const fn end(&self) -> u64 {
        self.end
    }

    /// Number of bytes; never 0.
    pub const fn len_bytes(&self) -> u64 {
        self.end - self.base
    }

    /// Whether a byte is in both.
    pub const fn overlaps(&self, other: &Self) -> bool {
        self.base < other.end && other.base < self.end
    }

    /// Whether every byte of `inner` is in it.
    pub const fn contains(&self, inner: &Self) -> bool {
        self.base <= inner.base && inner.end <= self.end
    }
}

texts!(PaRange {
    Self { base, end } => "{:#x}..{:#x}", base, end;
});

impl fmt::Debug for PaRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_and_wrapping_ranges_are_none() {
        assert_eq!(PaRange::new(8, 0), None);
        assert_eq!(PaRange::new(u64::MAX, 2), None);
        assert!(PaRange::new(u64::MAX - 1, 1).is_some());
    }

    #[test]
    fn neighbours_do_not_overlap() {
        let low = PaRange::new(0x1000, 0x1000).unwrap();
        let high = PaRange::new(0x2000, 0x1000).unwrap();
        let across = PaRange::new(0x1fff, 2).unwrap();
        assert!(!low.overlaps(&high) && !high.overlaps(&low));
        assert!(across.overlaps(&low) && high.overlaps(&across));
        assert!(!low.contains(&across) && low.contains(&low));
    }
}
