//! Debian's arm64 kernel and programs, and the Linux images that are made of them.
//!
//! Nothing of the system is changed. What was downloaded and unpacked stays in `target/debian` and is
//! used again, without a network.

mod archive;
mod cpio;
mod image;
mod modules;
mod programs;

#[cfg(test)]
pub(crate) use cpio::Cpio;
pub(crate) use image::{Parts, of_guest, of_host};

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::terminal::Step;
use crate::workspace;
use archive::Archive;

/// Depends on the kernel in its present version.
const KERNEL: &str = "linux-image-arm64";
/// What a host and its tenants run, and what can start Unimux.
const PACKAGES: [&str; 9] = [
    "busybox-static",
    "ibverbs-providers",
    "iperf3",
    "iproute2",
    "pciutils",
    "perftest",
    "qemu-system-arm",
    "u-boot-qemu",
    "util-linux",
];
/// Written last, with what is there.
const STAMP: &str = "complete";

/// Debian's files, unpacked.
#[derive(Clone, Debug)]
pub(crate) struct Debian {
    /// Laid out as an installed system's, though nothing was configured.
    root: PathBuf,
    /// As `uname -r` says it.
    release: String,
}

impl Debian {
    /// Brings the packages if they are not there, or if there may be newer ones and `refresh` is
    /// wanted.
    pub(crate) fn bring(refresh: bool) -> Result<Self> {
        let folder = workspace::root().join("target/debian");
        let stamp = folder.join(STAMP);
        let wanted = PACKAGES.join(" ");
        let present = fs::read_to_string(&stamp).unwrap_or_default();
        let release = match present.split_once('\n') {
            Some((packages, release)) if packages == wanted && !refresh => release.to_owned(),
            _ => {
                let release = Self::download(&folder)?;
                fs::write(&stamp, format!("{wanted}\n{release}"))?;
                release
            }
        };
        Ok(Self {
            root: folder.join("root"),
            release,
        })
    }

    fn download(folder: &Path) -> Result<String> {
        fs::create_dir_all(folder)?;
        let _ = fs::remove_file(folder.join(STAMP));
        let archive = Archive::open(&folder.join("apt"))?;
        archive.update()?;
        let kernel = archive
            .depends(KERNEL)?
            .into_iter()
            .find(|it| it.starts_with("linux-image-"))
            .with_context(|| format!("{KERNEL} depends on no kernel"))?;
        // Alone: what it depends on only matters where it is installed.
        let files = archive.download(&PACKAGES, &kernel)?;
        unpack(&files, &folder.join("root"))?;
        Ok(kernel.replace("linux-image-", ""))
    }

    /// The kernel, an arm64 `Image`.
    pub(crate) fn kernel(&self) -> PathBuf {
        self.root.join(format!("boot/vmlinuz-{}", self.release))
    }

    /// U-Boot for a machine of QEMU.
    pub(crate) fn u_boot(&self, machine: &str) -> PathBuf {
        self.root
            .join("usr/lib/u-boot")
            .join(machine)
            .join("u-boot.bin")
    }

    fn modules(&self) -> Result<modules::Modules> {
        modules::Modules::below(&self.root.join("lib/modules").join(&self.release))
    }
}

fn unpack(packages: &[PathBuf], root: &Path) -> Result<()> {
    let step = Step::begin("Unpacking Debian's packages");
    if root.exists() {
        fs::remove_dir_all(root)?;
    }
    fs::create_dir_all(root)?;
    for (index, package) in packages.iter().enumerate() {
        step.detail(&format!("{} of {}", index + 1, packages.len()));
        let mut command = Command::new("dpkg-deb");
        let status = command.arg("--extract").args([package, root]).status();
        if !status.context("dpkg-deb cannot be started")?.success() {
            bail!("{} cannot be unpacked", package.display());
        }
    }
    step.done("unpacked");
    Ok(())
}
