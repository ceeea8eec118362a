//! Memory that a function works in: queues in one piece, and buffers of any size.
//!
//! It is a file that keeps its name, on hugetlbfs or else on tmpfs: when a program is killed, the
//! pages stay with the file, so what its function still writes hits nobody. The next program that
//! attaches the function takes the file over, and only then are its pages given back.
//!
//! ```text
//!  0          header: which control page is in use
//!  0x1000     two control pages, in turn
//!  0x3000     queues and lists, each in one piece
//!  2 MiB      buffers, a page list each; cut off when the function is attached anew
//! ```

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{FlockOperation, flock};
use unimux_driver::{DmaBlock, Error as DriverError, Memory};

use crate::{Error, PAGE_BYTES, huge_pages, mapping, pagemap};

/// Bytes of the part that holds everything but buffers: one huge page.
const BASE_BYTES: u64 = huge_pages::BYTES;
/// The pages before queues: header and control pages.
const HEAD_PAGES: usize = 3;
/// Where small pages come from if there are no huge ones.
const SMALL_PAGES: &str = "/dev/shm";

/// What was taken of an arena at some moment.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    next: usize,
    len_bytes: u64,
}

/// The memory of one function.
#[derive(Debug)]
pub struct Arena {
    file: File,
    path: PathBuf,
    is_huge: bool,
    base: &'static [AtomicU64],
    frames: Vec<u64>,
    /// The next page of the base that nobody has.
    next: usize,
    len_bytes: u64,
}

impl Arena {
    /// Opens the arena of `function`, on huge pages if there are any.
    ///
    /// # Errors
    ///
    /// [`Error::InUse`] if another program has it; [`Error::NoMemory`], or as
    /// [`pagemap::frames`].
    pub fn open(function: u32) -> Result<Self, Error> {
        let huge = huge_pages::directory()
            .and_then(|directory| huge_pages::provide(1).map(|()| directory));
        let name = format!("unimux-arena-{function}");
        match huge {
            Ok(directory) => Self::open_at(directory.join(name), function, true),
            // A file that exists has its page already, also when no more are free.
            Err(_) => match huge_pages::directory().map(|directory| directory.join(&name)) {
                Ok(path) if path.exists() => Self::open_at(path, function, true),
                _ => Self::open_at(Path::new(SMALL_PAGES).join(name), function, false),
            },
        }
    }

    fn open_at(path: PathBuf, function: u32, is_huge: bool) -> Result<Self, Error> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(Error::file("open", &path))?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(Error::InUse { function, path });
        }
        let len_bytes = file.metadata().map_err(Error::file("stat", &path))?.len();
        let mut arena = Self {
            file,
            path,
            is_huge,
            base: &[],
            frames: Vec::new(),
            next: HEAD_PAGES,
            len_bytes,
        };
        if len_bytes < BASE_BYTES {
            arena.set_len(BASE_BYTES)?;
        }
        arena.base = arena.map(0, BASE_BYTES)?;
        let address = arena.base.as_ptr().addr() as u64;
        arena.frames = pagemap::frames(address, BASE_BYTES)?;
        Ok(arena)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is on huge pages.
    #[must_use]
    pub const fn is_huge(&self) -> bool {
        self.is_huge
    }

    /// The control page that was not used last, which is the one in use from now on.
    pub(crate) fn next_control_page(&self) -> DmaBlock {
        let next = 1 - self.base[0].load(Ordering::Relaxed).min(1);
        self.base[0].store(next, Ordering::Relaxed);
        self.block(1 + next as usize, 1)
    }

    /// Gives back the buffers of programs before this one. Only for a function that was attached
    /// anew: nothing writes to them any more.
    pub(crate) fn forget_buffers(&mut self) -> Result<(), Error> {
        self.set_len(BASE_BYTES)
    }

    /// Takes memory for data: at least `len_bytes`, zeroed, in whole pages, contiguous for the
    /// program only.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`].
    pub fn take(&mut self, len_bytes: u64) -> Result<&'static [AtomicU64], Error> {
        let granule = if self.is_huge {
            huge_pages::BYTES
        } else {
            PAGE_BYTES as u64
        };
        let len_bytes = len_bytes.max(1).next_multiple_of(granule);
        let at = self.len_bytes;
        if self.is_huge {
            huge_pages::provide(len_bytes / huge_pages::BYTES)
                .map_err(|source| self.no_memory(len_bytes, source))?;
        }
        self.set_len(at + len_bytes)?;
        self.map(at, len_bytes)
    }

    /// What is taken now.
    #[must_use]
    pub const fn mark(&self) -> Mark {
        Mark {
            next: self.next,
            len_bytes: self.len_bytes,
        }
    }

    /// Gives back what was taken since `mark`: no queue and no region may be there any more.
    ///
    /// # Errors
    ///
    /// [`Error::File`].
    pub fn rewind(&mut self, mark: Mark) -> Result<(), Error> {
        self.next = mark.next;
        self.set_len(mark.len_bytes)
    }

    fn set_len(&mut self, len_bytes: u64) -> Result<(), Error> {
        self.file
            .set_len(len_bytes)
            .map_err(Error::file("resize", &self.path))?;
        self.len_bytes = len_bytes;
        Ok(())
    }

    fn map(&self, offset_bytes: u64, len_bytes: u64) -> Result<&'static [AtomicU64], Error> {
        let words = mapping::map(&self.file, offset_bytes, len_bytes as usize)
            .map_err(|source| self.no_memory(len_bytes, source))?;
        // Brings in what MAP_POPULATE could not, and says so here and not by a signal later: huge
        // pages are reserved by mmap, small ones are not.
        mapping::lock(words).map_err(|source| self.no_memory(len_bytes, source))?;
        Ok(words)
    }

    fn no_memory(&self, needed_bytes: u64, source: std::io::Error) -> Error {
        let pages = (self.len_bytes + needed_bytes).div_ceil(huge_pages::BYTES);
        Error::NoMemory {
            path: self.path.clone(),
            needed_bytes,
            huge_pages: pages,
            source,
        }
    }

    fn block(&self, page: usize, pages: usize) -> DmaBlock {
        let words_per_page = PAGE_BYTES / 8;
        let words = &self.base[page * words_per_page..(page + pages) * words_per_page];
        DmaBlock::new(words, self.frames[page])
    }

    /// The first page from `next` on with which `pages` contiguous ones begin.
    fn run_of(&self, pages: usize) -> Option<usize> {
        run_of(&self.frames, self.next, pages)
    }

    /// A block that is free again when the next one is taken: for a list that is read once.
    pub(crate) fn scratch(&self, len_bytes: u64) -> Result<DmaBlock, DriverError> {
        let pages = len_bytes.div_ceil(PAGE_BYTES as u64) as usize;
        let page = self.run_of(pages).ok_or(DriverError::BlockTooSmall {
            needed_bytes: len_bytes,
            given_bytes: self.largest_block_bytes(),
        })?;
        Ok(self.block(page, pages))
    }
}

impl Memory for Arena {
    fn take_block(&mut self, len_bytes: u64) -> Result<DmaBlock, DriverError> {
        let block = self.scratch(len_bytes)?;
        for word in block.words() {
            word.store(0, Ordering::Relaxed);
        }
        let pages = block.words().len() * 8 / PAGE_BYTES;
        self.next = self.run_of(pages).unwrap_or(self.next) + pages;
        Ok(block)
    }

    fn largest_block_bytes(&self) -> u64 {
        let free = self.frames.get(self.next..).unwrap_or_default();
        let longest = free
            .chunk_by(|one, next| *next == one + PAGE_BYTES as u64)
            .map(<[u64]>::len)
            .max();
        (longest.unwrap_or(0) * PAGE_BYTES) as u64
    }
}

fn run_of(frames: &[u64], from: usize, pages: usize) -> Option<usize> {
    (from..)
        .zip(frames.get(from..)?.windows(pages.max(1)))
        .find_map(|(at, run)| {
            let is_one = run
                .windows(2)
                .all(|pair| pair[1] == pair[0] + PAGE_BYTES as u64);
            is_one.then_some(at)
        })
}

#[cfg(test)]
mod tests {
    use super::run_of;

    #[test]
    fn a_block_is_where_pages_follow_each_other() {
        let frames = [0x1000, 0x5000, 0x6000, 0x9000, 0xa000, 0xb000];
        assert_eq!(run_of(&frames, 0, 1), Some(0));
        assert_eq!(run_of(&frames, 0, 2), Some(1));
        assert_eq!(run_of(&frames, 2, 2), Some(3));
        assert_eq!(run_of(&frames, 0, 3), Some(3));
        assert_eq!(run_of(&frames, 0, 4), None);
        assert_eq!(run_of(&frames, 7, 1), None);
    }
}
