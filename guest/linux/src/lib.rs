//! RDMA functions from a program under Linux: finds them, maps them, gives them memory.
//!
//! It needs no kernel module of ours, and no system call once a function is in use, unless a program
//! wants to sleep. It does not move data (`unimux-driver` does) and has no protocol between guests
//! (`unimux-exchange` does).
//!
//! ```text
//!  find       PCI devices with an info page ──▶ Found
//!  Function   Found ──▶ doorbell page mapped, function attached, an Arena
//!  Arena      memory that outlives a killed program: queues in one piece, buffers with a page list
//!  region     any memory of the program ──▶ a memory region
//!  Waker      what wakes a program that sleeps: a port of the host's agent, or the function's interrupt
//!  pagemap    where memory is: virtual address ──▶ IPA, for root only
//! ```
//!
//! The same parts serve the host's agent: its view of a tenant's memory is a mapping too.
#![deny(unsafe_code)]

mod affinity;
mod arena;
mod barrier;
mod clock;
mod doorbell;
mod error;
mod event;
mod find;
mod function;
pub mod huge_pages;
pub mod info_page;
mod interrupt;
mod life;
pub mod mapping;
pub mod page_list;
pub mod pagemap;
mod region;
mod wake_port;
mod waker;

pub use arena::{Arena, Mark};
pub use barrier::clean_to_memory;
pub use doorbell::Doorbell;
pub use error::Error;
pub use event::Event;
use find::PCI_DEVICES;
pub use find::{Found, find, find_in};
pub use function::Function;
pub use interrupt::Interrupt;
pub use life::{Exits, Life};
pub use region::register;
pub use wake_port::{ASKED_NS, NAME as WAKE_PORT, WakePort};
pub use waker::{Sleeps, Waker};

/// Where the info page is: so many bytes behind the doorbell page.
pub const INFO_OFFSET_BYTES: usize = unimux_paravirt::info::OFFSET_BYTES as usize;
/// Bytes of a page. Kernels with larger ones are refused: the firmware grants 4 KiB pages.
pub const PAGE_BYTES: usize = 4096;
