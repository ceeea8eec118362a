//! A virtual machine's memory and doorbell: files on hugetlbfs that the agent maps as well.
//!
//! Huge pages neither move nor leave before the file has no name and nobody maps it. So the frames
//! that the firmware was told stay this machine's for as long as the agent wants, whether QEMU
//! lives or not; and when the agent dies, the names remain.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use anyhow::{Context as _, Result, ensure};
use unimux_abi::doorbell;
use unimux_linux::mapping::Mapping;
use unimux_linux::{INFO_OFFSET_BYTES, info_page::InfoPage};
use unimux_linux::{clean_to_memory, huge_pages, pagemap};
use unimux_paravirt::info;

use super::wake_line;

/// Bytes of the file with the doorbell page and the info page: the least that hugetlbfs has.
pub(super) const DOORBELL_FILE_BYTES: u64 = huge_pages::BYTES;

/// Where a virtual machine's memory and doorbell are, and where QEMU listens for who wakes it.
#[derive(Clone, Debug)]
pub(super) struct Paths {
    pub(super) ram: PathBuf,
    pub(super) doorbell: PathBuf,
    pub(super) wake: PathBuf,
}

impl Paths {
    /// With memory in `directory`, by the agent of `run`.
    pub(super) fn of(directory: &Path, run: &Path, name: &str) -> Self {
        Self {
            ram: directory.join(format!("unimux-{name}-ram")),
            doorbell: directory.join(format!("unimux-{name}-doorbell")),
            wake: wake_line::path(run, name),
        }
    }

    /// Removes what there is. Only for a function that is destroyed.
    pub(super) fn remove(&self) -> Result<()> {
        for path in [&self.ram, &self.doorbell, &self.wake] {
            if path.exists() {
                fs::remove_file(path)
                    .with_context(|| format!("cannot remove {}", path.display()))?;
            }
        }
        Ok(())
    }
}

/// The mapped files.
#[derive(Debug)]
pub(super) struct Memory {
    doorbell: Mapping,
    ram: Mapping,
}

impl Memory {
    /// Makes both files, or takes those that a machine of the same size has.
    pub(super) fn open(paths: &Paths, memory_bytes: u64) -> Result<Self> {
        let pages = (memory_bytes + DOORBELL_FILE_BYTES) / huge_pages::BYTES;
        if !paths.ram.exists() {
            huge_pages::provide(pages).with_context(|| {
                format!(
                    "no {pages} huge pages are free: give the host more memory, or destroy a \
                     virtual machine (see /proc/meminfo, HugePages_Free)"
                )
            })?;
        }
        let ram = file(&paths.ram, memory_bytes)?;
        let ram = Mapping::new(&ram, 0, memory_bytes as usize)
            .with_context(|| format!("cannot map {}", paths.ram.display()))?;
        let bell = file(&paths.doorbell, DOORBELL_FILE_BYTES)?;
        let doorbell = Mapping::new(&bell, 0, DOORBELL_FILE_BYTES as usize)
            .with_context(|| format!("cannot map {}", paths.doorbell.display()))?;
        Ok(Self { doorbell, ram })
    }

    /// The physical address of each huge page of the machine's memory.
    pub(super) fn frames(&self) -> Result<Vec<u64>> {
        let words = self.ram.words();
        let bytes = size_of_val(words) as u64;
        let small = pagemap::frames(words.as_ptr().addr() as u64, bytes)?;
        let per_huge = huge_pages::BYTES as usize / unimux_linux::PAGE_BYTES;
        let huge: Vec<u64> = small.iter().copied().step_by(per_huge).collect();
        ensure!(
            huge.iter().all(|it| it.is_multiple_of(huge_pages::BYTES)),
            "the memory is not on huge pages"
        );
        Ok(huge)
    }

    /// The physical address of the doorbell page.
    pub(super) fn doorbell_address(&self) -> Result<u64> {
        let address = self.doorbell.words().as_ptr().addr() as u64;
        let frames = pagemap::frames(address, doorbell::PAGE_BYTES)?;
        frames.first().copied().context("a page has a frame")
    }

    /// Writes the page that tells the tenant who it is, to where an uncached load finds it.
    pub(super) fn tell(&self, info: &InfoPage) {
        let page = &self.doorbell.words()[INFO_OFFSET_BYTES / 8..][..info::WORDS];
        for (word, value) in page.iter().zip(info.to_words()) {
            word.store(value, Ordering::Relaxed);
        }
        clean_to_memory(page);
    }
}

fn file(path: &Path, len_bytes: u64) -> Result<File> {
    let what = || format!("cannot make {} of {len_bytes} bytes", path.display());
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .with_context(what)?;
    let has = file.metadata().with_context(what)?.len();
    if has < len_bytes {
        file.set_len(len_bytes).with_context(what)?;
    }
    Ok(file)
}
