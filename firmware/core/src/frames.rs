//! Which of the host's memory a tenant has: ranges of PAs, to find what overlaps them.
//!
//! It grants nothing and reaches nothing: windows do that. It is kept beside them because windows
//! are sorted by IPA, and one frame must not be two tenants'.

use alloc::vec::Vec;

use unimux_memory::Pa;

/// Ranges of physical memory, sorted and apart: adjacent ones are one.
#[derive(Debug)]
pub(crate) struct Frames {
    /// First and last address of each range.
    ranges: Vec<(u64, u64)>,
}

impl Frames {
    /// No memory, and room for `capacity` ranges.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self {
            ranges: Vec::with_capacity(capacity),
        }
    }

    /// Whether any of the `len_bytes` bytes at `pa` is among them. The end must not wrap.
    pub(crate) fn overlaps(&self, pa: Pa, len_bytes: u64) -> bool {
        let Some((first, last)) = ends(pa, len_bytes) else {
            return false;
        };
        let place = self.ranges.partition_point(|range| range.1 < first);
        self.ranges.get(place).is_some_and(|range| range.0 <= last)
    }

    /// Adds the `len_bytes` bytes at `pa`, which overlap none. Whether there was room for them.
    ///
    /// Windows that are in one piece are so in PAs as well, so there are never more ranges than
    /// windows: where a window had room, so has its range.
    pub(crate) fn insert(&mut self, pa: Pa, len_bytes: u64) -> bool {
        let Some((first, last)) = ends(pa, len_bytes) else {
            return false;
        };
        let place = self.ranges.partition_point(|range| range.1 < first);
        let joins_below = place > 0 && self.ranges[place - 1].1 + 1 == first;
        let joins_above = self
            .ranges
            .get(place)
            .is_some_and(|range| last + 1 == range.0);
        match (joins_below, joins_above) {
            (true, true) => self.ranges[place - 1].1 = self.ranges.remove(place).1,
            (true, false) => self.ranges[place - 1].1 = last,
            (false, true) => self.ranges[place].0 = first,
            (false, false) if self.ranges.len() == self.ranges.capacity() => return false,
            (false, false) => self.ranges.insert(place, (first, last)),
        }
        true
    }

    /// Removes the `len_bytes` bytes at `pa`, all of which are among them. Whether they were, and
    /// there was room for what is left of a range on both sides: always, for what was added last.
    pub(crate) fn remove(&mut self, pa: Pa, len_bytes: u64) -> bool {
        let Some((first, last)) = ends(pa, len_bytes) else {
            return false;
        };
        let place = self.ranges.partition_point(|range| range.1 < first);
        let Some(&(from, to)) = self.ranges.get(place) else {
            return false;
        };
        if from > first || to < last {
            return false;
        }
        match (from < first, last < to) {
            (false, false) => drop(self.ranges.remove(place)),
            (true, false) => self.ranges[place].1 = first - 1,
            (false, true) => self.ranges[place].0 = last + 1,
            (true, true) if self.ranges.len() == self.ranges.capacity() => return false,
            (true, true) => {
                self.ranges[place].1 = first - 1;
                self.ranges.insert(place + 1, (last + 1, to));
            }
        }
        true
    }

    pub(crate) fn clear(&mut self) {
        self.ranges.clear();
    }
}

/// First and last address of a range that is not empty and does not wrap.
fn ends(pa: Pa, len_bytes: u64) -> Option<(u64, u64)> {
    let end = pa.checked_add(len_bytes)?.get();
    (len_bytes > 0).then(|| (pa.get(), end - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_overlaps_is_found() {
        let mut frames = Frames::with_capacity(2);
        assert!(frames.insert(Pa::new(0x3000), 0x1000));
        assert!(frames.insert(Pa::new(0x5000), 0x1000));
        assert!(!frames.insert(Pa::new(0x9000), 0x1000), "two is all");
        let cases = [
            (0x2000, 0x1000, false),
            (0x2000, 0x1001, true),
            (0x3fff, 1, true),
            (0x4000, 0x1000, false),
            (0x4000, 0x1001, true),
            (0, u64::MAX, true),
            (0x6000, 0x1000, false),
        ];
        for (pa, len, expected) in cases {
            assert_eq!(frames.overlaps(Pa::new(pa), len), expected, "{pa:#x}");
        }
        assert!(frames.insert(Pa::new(0x4000), 0x1000), "it fills a gap");
        assert!(frames.insert(Pa::new(0x9000), 0x1000), "three became one");
        assert!(frames.overlaps(Pa::new(0x4800), 8));
        frames.clear();
        assert!(!frames.overlaps(Pa::new(0x4800), 8));
    }

    #[test]
    fn what_is_removed_leaves_the_rest() {
        let mut frames = Frames::with_capacity(2);
        assert!(frames.insert(Pa::new(0x3000), 0x4000));
        assert!(!frames.remove(Pa::new(0x2000), 0x2000), "not all is there");
        assert!(!frames.remove(Pa::new(0x6000), 0x2000));
        assert!(!frames.remove(Pa::new(0x9000), 0x1000));
        assert!(frames.remove(Pa::new(0x4000), 0x1000));
        assert!(frames.overlaps(Pa::new(0x3fff), 1) && frames.overlaps(Pa::new(0x5000), 1));
        assert!(!frames.overlaps(Pa::new(0x4000), 0x1000));
        assert!(!frames.remove(Pa::new(0x5800), 0x100), "two is all");
        assert!(frames.remove(Pa::new(0x6000), 0x1000));
        assert!(frames.remove(Pa::new(0x5000), 0x800));
        assert!(frames.remove(Pa::new(0x5800), 0x800));
        assert!(frames.remove(Pa::new(0x3000), 0x1000));
        assert!(!frames.overlaps(Pa::new(0), u64::MAX));
    }
}
