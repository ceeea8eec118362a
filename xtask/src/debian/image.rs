//! The first file systems of a KVM host and of its tenants.
//!
//! What they do at boot is not here: the scripts of `xtask/linux` say it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::cpio::Cpio;
use super::{Debian, programs};
use crate::terminal::Step;
use crate::workspace;

/// Loaded by both.
const MODULES_TENANT: [&str; 9] = [
    // The interrupt of a function that is a PCI device of its own, as an event and as INTA.
    "gpio_keys",
    "evdev",
    "uio_pci_generic",
    "virtio_pci",
    "virtio_net",
    // The wake port of `unimux vm qemu-args`.
    "virtio_console",
    // What rdma_rxe asks the kernel's crypto for by name.
    "crc32_generic",
    "rdma_rxe",
    "ib_uverbs",
];
/// The network between the tenants.
const MODULES_HOST: [&str; 3] = ["bridge", "tun", "vhost_net"];

const BUSYBOX: &str = "bin/busybox";
const PROGRAMS_TENANT: [&str; 8] = [
    "usr/bin/chrt",
    "usr/bin/iperf3",
    "usr/bin/lspci",
    "usr/bin/rdma",
    "usr/bin/ib_send_bw",
    "usr/bin/ib_send_lat",
    "usr/bin/ib_write_bw",
    "usr/bin/ib_write_lat",
];
/// Opened by libibverbs, which finds its name in the second.
const PROVIDER: &str = "usr/lib/aarch64-linux-gnu/libibverbs/librxe-rdmav34.so";
const PROVIDER_NAME: &str = "etc/libibverbs.d/rxe.driver";
const PROGRAMS_HOST: [&str; 1] = ["usr/bin/qemu-system-aarch64"];

/// The console before `/dev` is mounted: without it the kernel gives init no standard output.
const CONSOLE: (&str, (u32, u32)) = ("dev/console", (5, 1));

/// Where the host has what its tenants boot with, and the file that they move.
const TENANT_KERNEL: &str = "tenant/kernel";
const TENANT_INITRD: &str = "tenant/initrd";
/// An archive of its own, which Linux takes after the tenant's.
const TENANT_PAYLOAD: &str = "tenant/payload";
/// In that archive.
const PAYLOAD: &str = "payload";

/// What is put in beside Debian's files.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parts {
    /// Unimux's program for hosts and tenants.
    pub(crate) tool: Option<PathBuf>,
    /// The file that tenants move.
    pub(crate) payload: Option<PathBuf>,
}

/// Makes the first file system of a Linux host, which has those of its tenants in it.
pub(crate) fn of_host(debian: &Debian, parts: &Parts) -> Result<PathBuf> {
    let step = Step::begin("Making the first file systems of the Linux host and its tenants");
    let tenant = tenant(debian, parts)?;
    let host = host(debian, parts, &tenant)?;
    let [all, tenants] = [&host, &tenant].map(|it| it.len() >> 20);
    let path = write("host.cpio", &host)?;
    step.done(&format!("{all} MiB, {tenants} MiB of it for tenants"));
    Ok(path)
}

/// Makes the first file system of Linux guests of Unimux's own: that of a tenant.
pub(crate) fn of_guest(debian: &Debian, parts: &Parts) -> Result<PathBuf> {
    let step = Step::begin("Making the first file system of Linux guests");
    let mut guest = tenant(debian, parts)?;
    guest.extend(payload(parts)?);
    let path = write("guest.cpio", &guest)?;
    step.done(&format!("{} MiB", guest.len() >> 20));
    Ok(path)
}

fn write(name: &str, archive: &[u8]) -> Result<PathBuf> {
    let folder = workspace::output().join("linux");
    fs::create_dir_all(&folder)?;
    let path = folder.join(name);
    fs::write(&path, archive)?;
    Ok(path)
}

fn tenant(debian: &Debian, parts: &Parts) -> Result<Vec<u8>> {
    let mut cpio = Cpio::default();
    base(&mut cpio, debian, parts, "tenant")?;
    add_modules(&mut cpio, debian, &MODULES_TENANT)?;
    add_programs(&mut cpio, debian, &PROGRAMS_TENANT)?;
    add_programs(&mut cpio, debian, &[PROVIDER])?;
    let name = fs::read(debian.root.join(PROVIDER_NAME))?;
    cpio.file(PROVIDER_NAME, 0o644, &name);
    Ok(cpio.finish())
}

fn host(debian: &Debian, parts: &Parts, tenant: &[u8]) -> Result<Vec<u8>> {
    let mut cpio = Cpio::default();
    base(&mut cpio, debian, parts, "host")?;
    add_modules(&mut cpio, debian, &MODULES_HOST)?;
    add_programs(&mut cpio, debian, &PROGRAMS_HOST)?;
    cpio.file(TENANT_KERNEL, 0o644, &fs::read(debian.kernel())?);
    cpio.file(TENANT_INITRD, 0o644, tenant);
    cpio.file(TENANT_PAYLOAD, 0o644, &payload(parts)?);
    Ok(cpio.finish())
}

/// The archive with the file that they move.
fn payload(parts: &Parts) -> Result<Vec<u8>> {
    let mut payload = Cpio::default();
    if let Some(path) = &parts.payload {
        let bytes = fs::read(path).with_context(|| format!("no payload {}", path.display()))?;
        payload.file(PAYLOAD, 0o644, &bytes);
    }
    Ok(payload.finish())
}

/// What both have: a shell with its tools, Unimux's program, the scripts of `xtask/linux/<role>`.
fn base(cpio: &mut Cpio, debian: &Debian, parts: &Parts, role: &str) -> Result<()> {
    for folder in ["dev", "proc", "run", "sys", "tmp", "sbin"] {
        cpio.directory(folder);
    }
    cpio.device(CONSOLE.0, CONSOLE.1);
    cpio.file(BUSYBOX, 0o755, &fs::read(debian.root.join(BUSYBOX))?);
    cpio.link("bin/sh", "busybox");
    if let Some(tool) = &parts.tool {
        let bytes = fs::read(tool).with_context(|| format!("no program {}", tool.display()))?;
        cpio.file("bin/unimux", 0o755, &bytes);
    }
    let scripts = workspace::root().join("xtask/linux");
    for folder in [scripts.join("both"), scripts.join(role)] {
        for (name, bytes) in files(&folder)? {
            let name = if name == "init.sh" {
                "init".to_owned()
            } else {
                format!("lib/unimux/{name}")
            };
            cpio.file(&name, 0o755, &bytes);
        }
    }
    Ok(())
}

fn files(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let entries = fs::read_dir(folder).with_context(|| workspace::short(folder))?;
    entries
        .map(|entry| {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            Ok((name, fs::read(entry.path())?))
        })
        .collect()
}

/// Puts modules in, and a list of them in the order of loading.
fn add_modules(cpio: &mut Cpio, debian: &Debian, names: &[&str]) -> Result<()> {
    let mut list = String::new();
    for path in debian.modules()?.in_order(names)? {
        let file = path.file_name().context("a module is a file")?;
        let name = format!("lib/modules/{}", file.to_string_lossy());
        cpio.file(&name, 0o644, &fs::read(&path)?);
        list += &format!("/{name}\n");
    }
    cpio.file("lib/modules/list", 0o644, list.as_bytes());
    Ok(())
}

/// Puts programs in with their libraries.
fn add_programs(cpio: &mut Cpio, debian: &Debian, names: &[&str]) -> Result<()> {
    for path in programs::closure(&debian.root, names)? {
        let bytes = fs::read(debian.root.join(&path))?;
        cpio.file(&path.display().to_string(), 0o755, &bytes);
    }
    Ok(())
}
