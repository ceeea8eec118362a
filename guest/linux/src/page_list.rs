//! How scattered memory is named to the firmware: as one range, large pages, or small ones.
//!
//! Fewer entries are better: a function has a quota of them, and the firmware copies each.

use crate::PAGE_BYTES;

const SMALL_SHIFT: u8 = 12;
const LARGE_SHIFT: u8 = 21;
const LARGE_BYTES: u64 = 1 << LARGE_SHIFT;

/// Memory as the firmware sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layout {
    /// In one piece, from this IPA on.
    Range(u64),
    /// In pages.
    Pages {
        /// Where each page begins, in order.
        pages: Vec<u64>,
        /// Their size, as a power of two.
        shift: u8,
    },
}

impl Layout {
    /// The layout of memory that begins at `virtual_address`, whose 4 KiB pages are at `frames`.
    #[must_use]
    pub fn of(virtual_address: u64, frames: &[u64]) -> Self {
        let page = PAGE_BYTES as u64;
        let contiguous = frames.windows(2).all(|pair| pair[1] == pair[0] + page);
        if let (true, Some(first)) = (contiguous, frames.first()) {
            return Self::Range(first + virtual_address % page);
        }
        let first_page = virtual_address / page * page;
        if let Some(pages) = large_pages(first_page, frames) {
            return Self::Pages {
                pages,
                shift: LARGE_SHIFT,
            };
        }
        Self::Pages {
            pages: frames.to_vec(),
            shift: SMALL_SHIFT,
        }
    }
}

/// The 2 MiB pages that `frames` are pieces of, if they are: each aligned in both address spaces.
fn large_pages(first_page: u64, frames: &[u64]) -> Option<Vec<u64>> {
    let mut pages: Vec<u64> = Vec::new();
    let mut current = None;
    for (address, &frame) in (first_page..).step_by(PAGE_BYTES).zip(frames) {
        let base = frame.checked_sub(address % LARGE_BYTES)?;
        if !base.is_multiple_of(LARGE_BYTES) {
            return None;
        }
        let number = address / LARGE_BYTES;
        if current == Some(number) {
            if pages.last() != Some(&base) {
                return None;
            }
        } else {
            current = Some(number);
            pages.push(base);
        }
    }
    Some(pages)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(from: u64, pages: u64) -> impl Iterator<Item = u64> {
        (0..pages).map(move |page| from + page * 4096)
    }

    #[test]
    fn one_piece_is_a_range_from_its_first_byte() {
        let frames: Vec<u64> = run(0x8000_0000, 3).collect();
        assert_eq!(Layout::of(0x7000_0123, &frames), Layout::Range(0x8000_0123));
    }

    #[test]
    fn huge_pages_are_listed_once_each() {
        // The last page of one huge page, and all of another that lies elsewhere.
        let frames: Vec<u64> = run(0x8040_0000 - 4096, 1)
            .chain(run(0x9000_0000, 512))
            .collect();
        assert_eq!(
            Layout::of(0x7020_0000 - 4096, &frames),
            Layout::Pages {
                pages: vec![0x8020_0000, 0x9000_0000],
                shift: 21
            }
        );
    }

    #[test]
    fn anything_else_is_a_list_of_small_pages() {
        for frames in [
            vec![0x8000_1000, 0x8000_0000],
            vec![0x8000_0000, 0x8000_2000],
            vec![0x0, 0x8000_0000],
        ] {
            assert_eq!(
                Layout::of(0x7000_0000, &frames),
                Layout::Pages {
                    pages: frames,
                    shift: 12
                }
            );
        }
    }
}
