//! Memory of others, mapped: device pages, files on hugetlbfs, reserved memory.
// UNSAFETY: mmap gives addresses, and words are made of them.
#![expect(unsafe_code, reason = "mappings become atomic words here")]

use std::fs::File;
use std::io;
use std::sync::atomic::AtomicU64;

use rustix::mm::{MapFlags, ProtFlags, mlock, mmap, munmap};

/// Maps `len_bytes` of `file` from `offset_bytes` on, shared and writable, for as long as the
/// process lives. Memory is brought in at once.
///
/// Words of a device, or of memory that another machine writes, mean what that one says: they are
/// atomics, and nobody has a reference to anything else there.
///
/// # Errors
///
/// The kernel's; [`io::ErrorKind::InvalidInput`] if the length is not whole words.
pub fn map(file: &File, offset_bytes: u64, len_bytes: usize) -> io::Result<&'static [AtomicU64]> {
    let mapping = Mapping::new(file, offset_bytes, len_bytes)?;
    let words = mapping.words;
    std::mem::forget(mapping);
    Ok(words)
}

/// A mapping that ends when this is dropped.
#[derive(Debug)]
pub struct Mapping {
    /// Valid for as long as `self`: given out with its lifetime only, but for [`map`].
    words: &'static [AtomicU64],
}

impl Mapping {
    /// As [`map`], until dropped.
    ///
    /// # Errors
    ///
    /// As [`map`].
    pub fn new(file: &File, offset_bytes: u64, len_bytes: usize) -> io::Result<Self> {
        if len_bytes == 0 || !len_bytes.is_multiple_of(8) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let rights = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::SHARED | MapFlags::POPULATE;
        let nowhere = std::ptr::null_mut();
        // SAFETY: with no address hint and no MAP_FIXED the kernel takes address space that
        // nothing is in.
        let start = unsafe { mmap(nowhere, len_bytes, rights, flags, file, offset_bytes) }?;
        // SAFETY:
        // 1. The mapping is readable and writable for `len_bytes` until `drop` unmaps it.
        // 2. mmap aligns to a page, and the length is whole words.
        // 3. Every value is a valid `u64`. Others write there (a device, another process, the
        //    firmware), and this process reaches it through these atomics only.
        let words = unsafe { std::slice::from_raw_parts(start.cast::<AtomicU64>(), len_bytes / 8) };
        Ok(Self { words })
    }

    /// The mapped words.
    #[must_use]
    pub const fn words(&self) -> &[AtomicU64] {
        self.words
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        let start = self.words.as_ptr().cast_mut().cast();
        // SAFETY: `new` made this mapping, and references to it have the lifetime of `self`; the
        // one of `map` is never dropped.
        let ended = unsafe { munmap(start, size_of_val(self.words)) };
        debug_assert!(ended.is_ok(), "a mapping can be unmapped");
    }
}

/// Keeps `words` in memory: not swapped out. The kernel may still move small pages when it
/// compacts memory, unless `vm.compact_unevictable_allowed` is 0.
///
/// # Errors
///
/// The kernel's.
pub fn lock(words: &[AtomicU64]) -> io::Result<()> {
    let start = words.as_ptr().cast_mut().cast();
    // SAFETY: locking changes nothing that a program could see of the memory.
    unsafe { mlock(start, size_of_val(words)) }?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    #[test]
    fn two_mappings_of_a_file_are_the_same_memory() {
        let file = tempfile::tempfile().expect("a file");
        file.set_len(8192).expect("room");
        let all = map(&file, 0, 8192).expect("a mapping");
        let half = map(&file, 4096, 4096).expect("a mapping");
        all[512].store(7, Ordering::Relaxed);
        assert_eq!(half[0].load(Ordering::Relaxed), 7);
        assert!(map(&file, 0, 0).is_err());
        assert!(map(&file, 0, 12).is_err());
    }
}
