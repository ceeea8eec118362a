//! The firmware's own copies of guests' page lists.
//!
//! A pool of 64-bit entries, handed out in runs; the pool is as large as the function's quota
//! and allocates once.

use alloc::boxed::Box;
use alloc::vec;

/// Entries that one bit of the map stands for.
const GRAIN: u32 = 8;

/// A run of entries in the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PageRun {
    first_grain: u32,
    grains: u32,
}

/// The pool of one function.
#[derive(Debug)]
pub(crate) struct Pages {
    entries: Box<[u64]>,
    /// Whether a grain is taken.
    taken: Box<[bool]>,
    /// How many grains may be taken.
    quota: usize,
}

impl Pages {
    pub(crate) fn new(entries: u32) -> Self {
        let grains = entries.div_ceil(GRAIN);
        Self {
            entries: vec![0; (grains * GRAIN) as usize].into_boxed_slice(),
            taken: vec![false; grains as usize].into_boxed_slice(),
            quota: grains as usize,
        }
    }

    /// Lets `entries` be taken, while none is; no more than there are.
    pub(crate) fn set_quota(&mut self, entries: u32) {
        self.quota = self.taken.len().min(entries.div_ceil(GRAIN) as usize);
    }

    /// A run of at least `count` entries: the first gap that is long enough.
    pub(crate) fn take(&mut self, count: u64) -> Option<PageRun> {
        let grains = usize::try_from(count.div_ceil(u64::from(GRAIN))).ok()?;
        if grains == 0 || grains > self.quota {
            return None;
        }
        let mut free = 0;
        for grain in 0..self.quota {
            free = if self.taken[grain] { 0 } else { free + 1 };
            if free == grains {
                let first = grain + 1 - grains;
                self.taken[first..=grain].fill(true);
                return Some(PageRun {
                    first_grain: first as u32,
                    grains: grains as u32,
                });
            }
        }
        None
    }

    pub(crate) fn give_back(&mut self, run: PageRun) {
        self.taken[run.first_grain as usize..][..run.grains as usize].fill(false);
    }

    /// The address in entry `index` of the run, or `None` if the run is shorter.
    pub(crate) fn get(&self, run: PageRun, index: u64) -> Option<u64> {
        self.entries.get(Self::place(run, index)?).copied()
    }

    pub(crate) fn set(&mut self, run: PageRun, index: u64, address: u64) -> Option<()> {
        *self.entries.get_mut(Self::place(run, index)?)? = address;
        Some(())
    }

    pub(crate) fn clear(&mut self) {
        self.taken.fill(false);
    }

    pub(crate) fn taken(&self) -> usize {
        self.taken.iter().filter(|&&taken| taken).count()
    }

    pub(crate) fn held_bytes(&self) -> usize {
        size_of_val(&*self.entries) + size_of_val(&*self.taken)
    }

    fn place(run: PageRun, index: u64) -> Option<usize> {
        (index < u64::from(run.grains * GRAIN))
            .then(|| (run.first_grain * GRAIN) as usize + index as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_do_not_overlap_and_come_back() {
        let mut pages = Pages::new(64);
        let (a, b, c) = (
            pages.take(9).unwrap(),
            pages.take(40).unwrap(),
            pages.take(8).unwrap(),
        );
        assert_eq!(pages.take(1), None);
        pages.set(a, 15, 1).unwrap();
        pages.set(b, 0, 2).unwrap();
        assert_eq!((pages.get(a, 15), pages.get(b, 0)), (Some(1), Some(2)));
        assert_eq!(pages.get(a, 16), None);
        pages.give_back(b);
        assert_eq!(pages.take(41), None);
        assert_eq!(pages.take(40), Some(b));
        pages.give_back(a);
        pages.give_back(b);
        pages.give_back(c);
        assert_eq!(pages.taken(), 0);
        assert!(pages.take(64).is_some());
    }

    #[test]
    fn nothing_and_too_much_are_refused() {
        let mut pages = Pages::new(8);
        assert_eq!(pages.take(0), None);
        assert_eq!(pages.take(9), None);
        assert_eq!(pages.take(u64::MAX), None);
    }
}
