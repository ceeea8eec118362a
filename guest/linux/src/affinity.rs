//! Which CPU takes an interrupt: the one on which who waits for it runs.
//!
//! Elsewhere the kernel would have to wake it across CPUs, by an interrupt between them, and in a
//! guest that is two exits more for each.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Where Linux shows interrupts, and takes who is to have them.
const PROC: &str = "/proc";
/// No CPU has this number.
const NOBODY: usize = usize::MAX;

/// An interrupt that follows one thread.
#[derive(Debug)]
pub(crate) struct Affinity {
    /// The file of the CPUs that may take it.
    list: PathBuf,
    /// The CPU that takes it, as far as it was moved from here.
    at: AtomicUsize,
    /// Where the thread ran when it looked last.
    seen: AtomicUsize,
}

impl Affinity {
    /// That of the interrupt which a driver has asked for by `name`.
    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::in_directory(Path::new(PROC), name)
    }

    fn in_directory(proc: &Path, name: &str) -> Option<Self> {
        let interrupts = fs::read_to_string(proc.join("interrupts")).ok()?;
        let line = interrupts.lines().find(|line| line.ends_with(name))?;
        let (number, _) = line.split_once(':')?;
        Some(Self {
            list: proc
                .join("irq")
                .join(number.trim())
                .join("smp_affinity_list"),
            at: AtomicUsize::new(NOBODY),
            seen: AtomicUsize::new(NOBODY),
        })
    }

    /// The thread was woken on CPU `here`. A thread that was only passing does not move the
    /// interrupt, as each move takes some exits.
    pub(crate) fn follow(&self, here: usize) {
        let is_passing = self.seen.swap(here, Relaxed) != here;
        if is_passing || self.at.load(Relaxed) == here {
            return;
        }
        self.at.store(here, Relaxed);
        // Where that is not allowed the interrupt comes too, from farther away.
        let _ = fs::write(&self.list, here.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupt_follows_who_stays_somewhere() {
        let root = tempfile::tempdir().expect("a directory");
        let interrupts = "           CPU0       CPU1\n \
             11:   5  6  GICv3  27 Level  arch_timer\n \
             46:   1  0  GICv3  49 Edge   unimux-completions\n";
        fs::write(root.path().join("interrupts"), interrupts).expect("a file");
        let folder = root.path().join("irq/46");
        fs::create_dir_all(&folder).expect("a directory");
        assert!(Affinity::in_directory(root.path(), "nobody").is_none());
        let affinity = Affinity::in_directory(root.path(), "unimux-completions").expect("a line");
        let written = || fs::read_to_string(folder.join("smp_affinity_list")).ok();
        for (here, at) in [
            (1, None),
            (1, Some("1")),
            (0, Some("1")),
            (1, Some("1")),
            (0, Some("1")),
            (0, Some("0")),
        ] {
            affinity.follow(here);
            assert_eq!(written().as_deref(), at);
        }
        fs::remove_file(folder.join("smp_affinity_list")).expect("it is there");
        affinity.follow(0);
        assert_eq!(written(), None, "it is there already");
    }
}
