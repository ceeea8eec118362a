//! What can go wrong between a program and its function, and what to do about it.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why a function cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be used as intended.
    #[error("cannot {what} {}: {source}", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel hides physical addresses.
    #[error(
        "the kernel does not tell where memory is: run as root (reading /proc/self/pagemap needs \
         CAP_SYS_ADMIN)"
    )]
    FramesHidden,
    /// A page is not in memory.
    #[error("the page at {address:#x} is not in memory: touch it and lock it (mlock) first")]
    NotPresent {
        /// Its virtual address.
        address: u64,
    },
    /// Memory to register is not whole words.
    #[error("a region of {len_bytes} bytes at {address:#x} is empty or wraps around")]
    EmptyRegion {
        /// Where it begins.
        address: u64,
        /// How long it is.
        len_bytes: u64,
    },
    /// Another program has the function.
    #[error(
        "function {function} is in use by another program: wait for it, or end it (its lock is \
         on {})", path.display()
    )]
    InUse {
        /// The function's number.
        function: u32,
        /// The locked file.
        path: PathBuf,
    },
    /// There is no port by which the host could wake this machine.
    #[error(
        "nobody can wake this machine: it has no virtio-serial port `{}`. Load the kernel's module \
         virtio_console, and start QEMU with all that `unimux vm qemu-args NAME` prints; or poll",
        crate::WAKE_PORT
    )]
    NoWakePort,
    /// The kernel has no driver for the function's interrupt.
    #[error(
        "nobody can wake this program: load the kernel's modules gpio_keys and evdev, or \
         uio_pci_generic; or poll"
    )]
    NoInterrupt,
    /// Another program has the port by which the host wakes this machine.
    #[error("another program sleeps with {}: end it, or poll", .0.display())]
    WakePortInUse(PathBuf),
    /// The firmware cannot wake who sleeps until events come.
    #[error("the firmware is older than version 1.1: it does not wake who sleeps; poll")]
    NeverWoken,
    /// There is not enough memory of the kind that is needed.
    #[error(
        "no {needed_bytes} bytes of memory in {}: {source}; more huge pages help: \
         `sysctl vm.nr_hugepages={huge_pages}`", path.display()
    )]
    NoMemory {
        /// Where it was asked for.
        path: PathBuf,
        /// How much.
        needed_bytes: u64,
        /// How many huge pages would do.
        huge_pages: u64,
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel has pages of another size.
    #[error("the kernel has pages of {0} bytes, and only 4096 are supported")]
    PageSize(usize),
    /// The driver failed.
    #[error(transparent)]
    Driver(#[from] unimux_driver::Error),
    /// The firmware does not answer when the function is attached.
    #[error(
        "the firmware does not answer for function {function}: is the agent on the host running, \
         and does it list this function as open (`unimux vm list` there)?"
    )]
    NoAnswer {
        /// The function's number.
        function: u32,
    },
}

impl Error {
    /// Makes the error for `what` with `path` out of the kernel's.
    pub fn file(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { what, path, source }
    }
}
