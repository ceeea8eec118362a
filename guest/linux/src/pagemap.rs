//! Where memory is: virtual addresses to physical ones, by /proc/self/pagemap.
//!
//! In a virtual machine the kernel's physical address is the IPA. The format is that of the Linux
//! kernel's Documentation/admin-guide/mm/pagemap.rst: 64 bits for each page.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::{Error, PAGE_BYTES};

/// What the kernel says of one page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry(pub u64);

impl Entry {
    const PRESENT: u64 = 1 << 63;
    const FRAME: u64 = (1 << 55) - 1;

    /// Whether the page is in memory.
    #[must_use]
    pub const fn is_present(self) -> bool {
        self.0 & Self::PRESENT != 0
    }

    /// The physical address of a page that is in memory; `None` if the kernel hides it.
    #[must_use]
    pub const fn address(self) -> Option<u64> {
        match self.0 & Self::FRAME {
            0 => None,
            frame => Some(frame * PAGE_BYTES as u64),
        }
    }
}

/// The physical addresses that `entries` name, of pages that begin at `virtual_address`.
///
/// # Errors
///
/// [`Error::NotPresent`] or [`Error::FramesHidden`].
pub fn addresses(virtual_address: u64, entries: &[Entry]) -> Result<Vec<u64>, Error> {
    let pages = (virtual_address..).step_by(PAGE_BYTES).zip(entries);
    pages
        .map(|(address, entry)| {
            if !entry.is_present() {
                return Err(Error::NotPresent { address });
            }
            entry.address().ok_or(Error::FramesHidden)
        })
        .collect()
}

/// The physical address of each page from the one that holds `virtual_address` to the one that
/// holds the last of `len_bytes` bytes. They must be in memory, and stay where they are.
///
/// # Errors
///
/// [`Error::NotPresent`], [`Error::FramesHidden`], [`Error::PageSize`], or [`Error::File`].
pub fn frames(virtual_address: u64, len_bytes: u64) -> Result<Vec<u64>, Error> {
    let page_bytes = rustix::param::page_size();
    if page_bytes != PAGE_BYTES {
        return Err(Error::PageSize(page_bytes));
    }
    let path = "/proc/self/pagemap";
    let file = File::open(path).map_err(Error::file("open", path))?;
    let page = PAGE_BYTES as u64;
    let first = virtual_address / page;
    let end = virtual_address
        .checked_add(len_bytes)
        .filter(|_| len_bytes > 0)
        .ok_or(Error::EmptyRegion {
            address: virtual_address,
            len_bytes,
        })?
        .div_ceil(page);
    let entries = read(&file, first, end - first).map_err(Error::file("read", path))?;
    addresses(first * page, &entries)
}

fn read(pagemap: &File, first_page: u64, pages: u64) -> io::Result<Vec<Entry>> {
    let mut bytes = vec![0; pages as usize * 8];
    pagemap.read_exact_at(&mut bytes, first_page * 8)?;
    let words = bytes.as_chunks().0.iter();
    Ok(words.map(|it| Entry(u64::from_ne_bytes(*it))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_as_the_kernel_documents() {
        let entry = Entry(1 << 63 | 1 << 55 | 0x1234);
        assert!(entry.is_present());
        assert_eq!(entry.address(), Some(0x0123_4000));
        assert!(!Entry(1 << 62 | 0x1234).is_present(), "swapped out");
        assert_eq!(Entry(1 << 63).address(), None, "hidden from this user");
    }

    #[test]
    fn the_page_that_is_missing_is_named() {
        let there = Entry(1 << 63 | 5);
        assert!(matches!(
            addresses(0x10_0000, &[there, Entry(0)]),
            Err(Error::NotPresent { address: 0x10_1000 })
        ));
        assert!(matches!(
            addresses(0, &[Entry(1 << 63)]),
            Err(Error::FramesHidden)
        ));
    }

    #[test]
    fn a_range_spans_the_pages_that_its_bytes_are_in() {
        let memory = vec![1_u8; 3 * PAGE_BYTES];
        let address = memory.as_ptr().addr() as u64;
        for (offset, len, pages) in [(0, 1, 1), (PAGE_BYTES as u64 - 1, 2, 2)] {
            let start = address.next_multiple_of(PAGE_BYTES as u64) + offset;
            match frames(start, len) {
                Ok(frames) => assert_eq!(frames.len(), pages),
                Err(Error::FramesHidden | Error::File { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
        assert!(matches!(frames(address, 0), Err(Error::EmptyRegion { .. })));
        assert!(matches!(
            frames(u64::MAX, 2),
            Err(Error::EmptyRegion { .. })
        ));
    }
}
