//! What the agent must remember when it is killed: one file for each virtual machine.
//!
//! A file is replaced whole (written beside, then renamed), so a crash leaves the old or the new.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

/// How far a virtual machine's making or ending has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Phase {
    /// Its function may or may not be made.
    Creating,
    /// It can be used.
    Ready,
    /// Its function may or may not be destroyed.
    Destroying,
}

/// A virtual machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Vm {
    pub(super) name: String,
    pub(super) memory_bytes: u64,
    pub(super) partition: u16,
    pub(super) weight: u16,
    /// What the firmware gives back for its function: no two virtual machines have the same.
    pub(super) cookie: u64,
    pub(super) function: Option<u16>,
    pub(super) phase: Phase,
}

/// The directory of all files.
#[derive(Debug)]
pub(super) struct Store {
    directory: PathBuf,
}

impl Store {
    pub(super) fn open(run: &Path) -> Result<Self> {
        let directory = run.join("vms");
        fs::create_dir_all(&directory)
            .with_context(|| format!("cannot make {}", directory.display()))?;
        Ok(Self { directory })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.json"))
    }

    pub(super) fn save(&self, vm: &Vm) -> Result<()> {
        let path = self.path(&vm.name);
        let beside = path.with_extension("new");
        let text = serde_json::to_vec_pretty(vm)?;
        fs::write(&beside, text)
            .and_then(|()| fs::rename(&beside, &path))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    pub(super) fn forget(&self, name: &str) -> Result<()> {
        let path = self.path(name);
        fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))
    }

    /// All virtual machines that were remembered. Files that are none are left alone.
    pub(super) fn load(&self) -> Result<Vec<Vm>> {
        let mut vms = Vec::new();
        for entry in fs::read_dir(&self.directory)?.flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|it| it == "json") {
                match serde_json::from_slice(&fs::read(&path)?) {
                    Ok(vm) => vms.push(vm),
                    Err(error) => eprintln!("unimux agent: {}: {error}", path.display()),
                }
            }
        }
        Ok(vms)
    }
}

/// Whether `name` is fit for files, options of QEMU and people.
pub(super) fn is_name(name: &str) -> bool {
    let fits = |it: char| it.is_ascii_alphanumeric() || it == '-' || it == '_';
    (1..=40).contains(&name.len()) && name.chars().all(fits) && !name.starts_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_saved_is_loaded() {
        let run = tempfile::tempdir().expect("a directory");
        let store = Store::open(run.path()).expect("a store");
        let mut vm = Vm {
            name: "web".into(),
            memory_bytes: 512 << 20,
            partition: 0,
            weight: 1,
            cookie: u64::MAX,
            function: None,
            phase: Phase::Creating,
        };
        store.save(&vm).expect("room");
        vm.function = Some(3);
        vm.phase = Phase::Ready;
        store.save(&vm).expect("room");
        fs::write(run.path().join("vms/broken.json"), "{").expect("room");
        assert_eq!(store.load().expect("readable"), [vm]);
        store.forget("web").expect("there");
        assert!(store.load().expect("readable").is_empty());
    }

    #[test]
    fn names_are_harmless() {
        assert!(is_name("web-1_a"));
        for wrong in ["", "-a", "a/b", "..", "a b", "a,b", "é", &"x".repeat(41)] {
            assert!(!is_name(wrong), "{wrong}");
        }
    }
}
