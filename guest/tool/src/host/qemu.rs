//! QEMU, stock: the options that give a machine its memory and function, and which process it is.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use unimux_linux::WAKE_PORT;

use super::memory::DOORBELL_FILE_BYTES;

/// Where RAM begins in QEMU's `virt` machine, as the tenant counts (QEMU, hw/arm/virt.c).
pub(super) const RAM_IPA: u64 = 0x4000_0000;

/// The options to add to a command line that has `-machine virt` already.
///
/// The files exist and have all their pages, so nothing is left to preallocate; QEMU merges a
/// second `-machine` into the first. A tenant sleeps by the virtio-serial port; QEMU listens at `wake`
/// for the agent, and does not wait for it.
pub(super) fn options(ram: &Path, doorbell: &Path, wake: &Path, memory_bytes: u64) -> Vec<String> {
    let mib = memory_bytes >> 20;
    let file = |id: &str, path: &Path, mib: u64| {
        format!(
            "memory-backend-file,id={id},size={mib}M,mem-path={},share=on",
            path.display()
        )
    };
    [
        "-m",
        &format!("{mib}M"),
        "-object",
        &file("unimux-ram", ram, mib),
        "-machine",
        "memory-backend=unimux-ram",
        "-object",
        &file("unimux-doorbell", doorbell, DOORBELL_FILE_BYTES >> 20),
        "-device",
        "ivshmem-plain,memdev=unimux-doorbell",
        "-chardev",
        &format!(
            "socket,id=unimux-wake,path={},server=on,wait=off",
            wake.display()
        ),
        "-device",
        "virtio-serial-pci",
        "-device",
        &format!("virtserialport,chardev=unimux-wake,name={WAKE_PORT}"),
    ]
    .map(str::to_owned)
    .to_vec()
}

/// A running QEMU that has a machine's memory.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) pid: u32,
    /// Readable when the process has ended (pidfd_open(2)).
    pub(super) pidfd: OwnedFd,
}

/// The process other than this one that maps `ram`, if there is one.
pub(super) fn find(ram: &Path) -> Option<Process> {
    let path = ram.to_str()?;
    let entries = fs::read_dir("/proc").ok()?.flatten();
    let pids = entries.filter_map(|it| it.file_name().to_str()?.parse::<u32>().ok());
    for pid in pids.filter(|&pid| pid != std::process::id()) {
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
        if maps.lines().any(|line| line.ends_with(path)) {
            let raw = Pid::from_raw(pid.cast_signed())?;
            let pidfd = pidfd_open(raw, PidfdFlags::empty()).ok()?;
            return Some(Process { pid, pidfd });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_what_stock_qemu_takes() {
        let [ram, bell, wake] = ["/h/ram", "/h/bell", "/r/web.wake"].map(Path::new);
        assert_eq!(
            options(ram, bell, wake, 512 << 20).join(" "),
            "-m 512M \
             -object memory-backend-file,id=unimux-ram,size=512M,mem-path=/h/ram,share=on \
             -machine memory-backend=unimux-ram \
             -object memory-backend-file,id=unimux-doorbell,size=2M,mem-path=/h/bell,share=on \
             -device ivshmem-plain,memdev=unimux-doorbell \
             -chardev socket,id=unimux-wake,path=/r/web.wake,server=on,wait=off \
             -device virtio-serial-pci \
             -device virtserialport,chardev=unimux-wake,name=unimux.wake"
        );
    }
}
