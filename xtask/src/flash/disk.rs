//! What the kernel says of a disk, and whether it may be overwritten.
//!
//! It reads sysfs, `/proc/self/mountinfo` (proc(5)) and `/proc/swaps` below a root that is `/` for
//! users and a folder for tests. Opening the disk exclusively, which the kernel refuses for one that is
//! in use, is the second line of defence: [`super::write`].

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rustix::fs::{major, minor};
use serde::Serialize;

/// sysfs counts in these, whatever the disk does (Documentation/ABI/stable/sysfs-block).
const SYSFS_SECTOR: u64 = 512;
/// A card is hardly ever larger: one that is may be somebody's data.
const LARGE: u64 = 64 << 30;

/// A disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Disk {
    /// The kernel's name.
    pub(crate) name: String,
    /// Who made it, as it says.
    pub(crate) model: String,
    /// Its size.
    pub(crate) bytes: u64,
    /// Can be taken out: its drive says so, or it is on USB, or it is an SD card.
    pub(crate) removable: bool,
    /// The card's switch, or the reader, forbids writing.
    pub(crate) read_only: bool,
    /// The disk that it is a part of.
    pub(crate) partition_of: Option<String>,
    /// What it is used for now.
    pub(crate) uses: Vec<String>,
}

impl Disk {
    /// What the kernel says of the disk at a path.
    pub(crate) fn at(path: &Path) -> Result<Self> {
        let metadata = fs::metadata(path).with_context(|| {
            format!(
                "no {}: is the card in? `lsblk` shows all disks",
                path.display()
            )
        })?;
        if !metadata.file_type().is_block_device() {
            bail!("{} is no disk: `lsblk` shows all disks", path.display());
        }
        let number = metadata.rdev();
        Self::look(Path::new("/"), (major(number), minor(number)))
    }

    /// What `root` says of the device with this number.
    fn look(root: &Path, (major, minor): (u32, u32)) -> Result<Self> {
        let link = root.join(format!("sys/dev/block/{major}:{minor}"));
        let folder = fs::canonicalize(&link)
            .with_context(|| format!("the kernel knows no block device {major}:{minor}"))?;
        let name = file_name(&folder);
        if folder.join("partition").exists() {
            let whole = folder.parent().map(file_name).unwrap_or_default();
            return Ok(Self {
                name,
                model: String::new(),
                bytes: 0,
                removable: false,
                read_only: false,
                partition_of: Some(whole),
                uses: Vec::new(),
            });
        }
        let sectors: u64 = text(&folder, "size").parse().unwrap_or(0);
        let on_usb = folder
            .components()
            .any(|it| it.as_os_str().to_string_lossy().starts_with("usb"));
        let removable =
            text(&folder, "removable") == "1" || on_usb || text(&folder, "device/type") == "SD";
        let model = ["device/vendor", "device/model", "device/name"].map(|it| text(&folder, it));
        Ok(Self {
            name,
            model: model.join(" ").trim().to_owned(),
            bytes: sectors.saturating_mul(SYSFS_SECTOR),
            removable,
            read_only: text(&folder, "ro") == "1",
            partition_of: None,
            uses: uses(root, &folder)?,
        })
    }

    /// Why it must not be overwritten with `bytes` bytes; `force` lets pass what may be meant so.
    pub(crate) fn check(&self, bytes: u64, force: bool) -> Result<()> {
        let name = &self.name;
        if let Some(whole) = &self.partition_of {
            bail!("{name} is a partition of {whole}: name the whole disk, /dev/{whole}");
        }
        if let Some(system) = self.uses.iter().find(|it| it.ends_with(" mounted at /")) {
            bail!("/dev/{name} has the system that runs here ({system}): `lsblk` shows all disks");
        }
        if !self.uses.is_empty() {
            bail!(
                "/dev/{name} is in use ({}): unmount it (umount /dev/{name}*), or name another disk; \
                 `lsblk` shows them all",
                self.uses.join(", ")
            );
        }
        if self.bytes == 0 {
            bail!("/dev/{name} has no medium: put the card into the reader");
        }
        if self.read_only {
            bail!(
                "/dev/{name} is read-only: move the switch at the card's edge, or use another reader"
            );
        }
        if bytes > self.bytes {
            bail!(
                "/dev/{name} has {} bytes, and {bytes} are to be written: use a larger card",
                self.bytes
            );
        }
        if !force && !self.removable {
            bail!(
                "/dev/{name} cannot be taken out: it is hardly a card for a board. `lsblk` shows all \
                 disks; --force overwrites it all the same"
            );
        }
        if !force && self.bytes > LARGE {
            bail!(
                "/dev/{name} has {} GB, more than cards usually have: is it the right one? --force \
                 overwrites it all the same",
                self.bytes / 1_000_000_000
            );
        }
        Ok(())
    }
}

/// What the disk at `folder` and its partitions are used for.
fn uses(root: &Path, folder: &Path) -> Result<Vec<String>> {
    let mut parts = vec![folder.to_owned()];
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.join("partition").exists() {
            parts.push(path);
        }
    }
    parts.sort();
    let proc = |name: &str| {
        let path = root.join("proc").join(name);
        fs::read_to_string(&path).with_context(|| path.display().to_string())
    };
    let mounts = proc("self/mountinfo")?;
    // A kernel without swap has no such file.
    let swaps = proc("swaps").unwrap_or_default();
    let mut uses = Vec::new();
    for part in &parts {
        let name = file_name(part);
        let number = text(part, "dev");
        for point in mounts.lines().filter_map(|it| mounted(it, &number, &name)) {
            uses.push(format!("{name} is mounted at {point}"));
        }
        let device = format!("/dev/{name}");
        if swaps
            .lines()
            .any(|it| it.split_whitespace().next() == Some(&device))
        {
            uses.push(format!("{name} is swap space"));
        }
        for holder in names(&part.join("holders")) {
            uses.push(format!("{name} is part of {holder}"));
        }
    }
    Ok(uses)
}

/// Where this line of mountinfo mounts the device, if it does: by number, or by name, as btrfs has
/// numbers of its own.
fn mounted<'a>(line: &'a str, number: &str, name: &str) -> Option<&'a str> {
    let (place, source) = line.split_once(" - ")?;
    let mut place = place.split(' ');
    let device = place.nth(2)?;
    let point = place.nth(1)?;
    let source = source.split(' ').nth(1)?;
    (device == number || source.strip_prefix("/dev/") == Some(name)).then_some(point)
}

/// A file of one line; empty if there is none.
fn text(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name))
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn names(folder: &PathBuf) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries
        .filter_map(|it| Some(file_name(&it.ok()?.path())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// A root with sda (a disk with two partitions), sdb (a USB reader), mmcblk0 (an SD card).
    fn root() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let disks = [
            ("devices/pci0/ata1/block/sda", "8:0", "1000000000", "0"),
            ("devices/pci0/usb2/2-1/block/sdb", "8:16", "62333952", "0"),
            (
                "devices/pci0/sdhci/mmc0/block/mmcblk0",
                "179:0",
                "15523840",
                "0",
            ),
        ];
        fs::create_dir_all(root.path().join("sys/dev/block")).unwrap();
        for (folder, number, size, removable) in disks {
            put(&format!("sys/{folder}/dev"), number);
            put(&format!("sys/{folder}/size"), &format!("{size}\n"));
            put(&format!("sys/{folder}/removable"), removable);
            put(&format!("sys/{folder}/ro"), "0\n");
            let link = root.path().join("sys/dev/block").join(number);
            symlink(root.path().join("sys").join(folder), link).unwrap();
        }
        let sda = "sys/devices/pci0/ata1/block/sda";
        for (part, number) in [("sda1", "8:1"), ("sda2", "8:2")] {
            put(&format!("{sda}/{part}/partition"), "1");
            put(&format!("{sda}/{part}/dev"), number);
            let link = root.path().join("sys/dev/block").join(number);
            symlink(root.path().join(sda).join(part), link).unwrap();
        }
        put(
            "sys/devices/pci0/sdhci/mmc0/block/mmcblk0/device/type",
            "SD\n",
        );
        put(
            "sys/devices/pci0/usb2/2-1/block/sdb/device/vendor",
            "Generic \n",
        );
        put(
            "sys/devices/pci0/usb2/2-1/block/sdb/device/model",
            "Reader\n",
        );
        put(
            "proc/self/mountinfo",
            "22 1 0:21 / /proc rw - proc proc rw\n",
        );
        put("proc/swaps", "Filename Type Size Used Priority\n");
        root
    }

    fn append(root: &tempfile::TempDir, path: &str, line: &str) {
        let path = root.path().join(path);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(path, format!("{text}{line}\n")).unwrap();
    }

    fn refusal(root: &tempfile::TempDir, number: (u32, u32), bytes: u64, force: bool) -> String {
        let disk = Disk::look(root.path(), number).unwrap();
        disk.check(bytes, force)
            .map_or_else(|it| it.to_string(), |()| "taken".to_owned())
    }

    #[test]
    fn cards_are_taken() {
        let root = root();
        let sdb = Disk::look(root.path(), (8, 16)).unwrap();
        assert_eq!(
            (sdb.model.as_str(), sdb.bytes),
            ("Generic Reader", 31_914_983_424)
        );
        sdb.check(65 << 20, false).unwrap();
        assert_eq!(refusal(&root, (179, 0), 65 << 20, false), "taken");
    }

    #[test]
    fn a_disk_in_use_is_never_taken() {
        let uses = [
            (
                "proc/self/mountinfo",
                "30 1 8:2 / / rw,relatime shared:1 - ext4 /dev/root rw",
                "system that runs here",
            ),
            (
                "proc/self/mountinfo",
                "31 1 0:30 / /home rw - btrfs /dev/sda1 rw",
                "/home",
            ),
            ("proc/swaps", "/dev/sda2 partition 100 0 -2", "swap"),
        ];
        for (file, line, says) in uses {
            let root = root();
            append(&root, file, line);
            let message = refusal(&root, (8, 0), 1, true);
            assert!(message.contains(says), "{message}");
            assert_eq!(refusal(&root, (8, 16), 1, false), "taken", "another disk");
        }
        let root = root();
        let holder = "sys/devices/pci0/ata1/block/sda/sda1/holders/dm-0";
        fs::create_dir_all(root.path().join(holder)).unwrap();
        assert!(refusal(&root, (8, 0), 1, true).contains("part of dm-0"));
    }

    #[test]
    fn what_is_hardly_a_card_is_taken_by_force_only() {
        let root = root();
        assert!(refusal(&root, (8, 0), 1, false).contains("taken out"));
        assert_eq!(refusal(&root, (8, 0), 1, true), "taken");
        let size = root.path().join("sys/dev/block/8:16/size");
        fs::write(&size, "250069680").unwrap();
        assert!(refusal(&root, (8, 16), 1, false).contains("128 GB"));
        assert_eq!(refusal(&root, (8, 16), 1, true), "taken");
    }

    #[test]
    fn what_cannot_be_written_is_refused_with_what_to_do() {
        let root = root();
        assert!(refusal(&root, (8, 1), 1, true).contains("/dev/sda"));
        assert!(refusal(&root, (179, 0), 8 << 30, true).contains("larger card"));
        let file = |name: &str| root.path().join("sys/dev/block/8:16").join(name);
        fs::write(file("ro"), "1").unwrap();
        assert!(refusal(&root, (8, 16), 1, true).contains("switch"));
        fs::write(file("size"), "0").unwrap();
        assert!(refusal(&root, (8, 16), 1, true).contains("no medium"));
        assert!(Disk::look(root.path(), (9, 9)).is_err());
    }
}
