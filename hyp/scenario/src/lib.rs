//! The scenario: which core does what, and who owns which memory.
//!
//! It does not read TOML (xtask does) and touches no memory of a guest (the image does). It holds
//! what both must agree on: the types, the device-tree binding that carries them to the board, and
//! the checks after which every core and every byte has one owner.
//!
//! ```text
//! TOML ──xtask──▶ Scenario ──write──▶ /chosen/unimux ──read──▶ Scenario ──check──▶ Layout ──▶ EL2
//! ```
//!
//! A scenario is refused whole or taken whole: [`check::check`] either answers with the place of
//! every guest or with the first reason against it.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

#[cfg(test)]
extern crate std;

pub mod arm64_image;
pub mod binding;
pub mod check;
mod engine;
pub mod host;
pub mod machine;
mod pe;
pub mod place;
mod range;
pub mod read;
pub mod refusal;
#[cfg(test)]
mod strategy;
pub mod write;

use alloc::string::String;
use alloc::vec::Vec;

pub use check::{check, check_image};
pub use engine::{Engine, EngineKind};
pub use host::{Host, HostLayout, check_kernel};
pub use machine::{Machine, MachineError, Reserved};
pub use place::{GuestLayout, Layout};
pub use range::PaRange;
pub use read::{ReadError, read};
pub use refusal::Refusal;
pub use unimux_schedule::{SEATS_MAX, WEIGHT_MAX};
pub use write::write;

/// Everything the board is to do, as told by the device tree it boots with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// The core that runs the firmware at EL2 for ever: an index into the nodes of `/cpus`.
    pub engine_core: u32,
    /// What moves the bytes.
    pub engine: Engine,
    /// Functions that belong to nobody: they have a doorbell page and are never rung. They are there
    /// to measure what an idle function costs.
    pub idle_functions: u32,
    /// Guests may make the baseline hypercalls, which let the engine core do a plain copy or a bare
    /// relay. Off unless the scenario is a measurement: they keep the engine core from its work.
    pub baseline: bool,
    /// The guests in the order of the device tree.
    pub guests: Vec<Guest>,
    /// The host of virtual machines beside them.
    pub host: Option<Host>,
}

impl Scenario {
    /// Identifiers of the other functions that `guest` may connect to: those of its partition.
    /// A function's identifier is the index of its guest.
    pub fn peers_of(&self, guest: usize) -> impl Iterator<Item = u32> + '_ {
        let partition = self.guests.get(guest).map(|it| it.function.partition);
        (0u32..)
            .zip(&self.guests)
            .filter(move |(id, it)| {
                *id as usize != guest && Some(it.function.partition) == partition
            })
            .map(|(id, _)| id)
    }
}

/// One partition guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guest {
    /// How the log and the console call it: 1 to [`NAME_MAX`] of `a-z`, `0-9` and `-`.
    pub name: String,
    /// Its cores, one vCPU pinned on each, vCPU 0 first: indices into the nodes of `/cpus`.
    pub cores: Vec<u32>,
    /// It shares its cores with others that do, and with itself; each of its vCPUs has this weight
    /// there, 1 to [`WEIGHT_MAX`]. Without it each core is one vCPU's own.
    pub share: Option<u32>,
    /// Size of its RAM in bytes, a multiple of [`place::RAM_ALIGN`].
    pub memory_bytes: u64,
    /// Where its RAM lies, if it matters (a board whose DMA reaches only a part of memory).
    /// Otherwise [`place`] finds a place.
    pub memory_at: Option<u64>,
    /// Its arm64 `Image`.
    pub image: Module,
    /// A file it finds at the end of its RAM, named by its `/chosen/linux,initrd-*`.
    pub payload: Option<Module>,
    /// What happens when it does something that only a stop can answer.
    pub on_fault: OnFault,
    /// Its RDMA function.
    pub function: Function,
    /// Its `/chosen/bootargs`.
    pub arguments: String,
}

impl Guest {
    /// What each of its vCPUs counts on its core.
    pub fn weight(&self) -> u32 {
        self.share.unwrap_or(1)
    }
}

/// Longest name of a guest in bytes: names share a line with what the guest says.
pub const NAME_MAX: usize = 15;

/// Bytes that the boot loader has put into memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Module {
    /// Physical address of the first byte.
    pub pa: u64,
    /// Length in bytes.
    pub len_bytes: u64,
}

impl Module {
    /// The memory it occupies; `None` if it wraps around the end of the address space.
    pub fn range(&self) -> Option<PaRange> {
        PaRange::new(self.pa, self.len_bytes)
    }
}

/// The answer to a guest's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFault {
    /// It stays stopped, and the run fails.
    Stop,
    /// It is loaded anew and started, at most so many times; after that it stays stopped.
    Restart {
        /// Restarts before giving up.
        times_max: u32,
    },
}

/// What a guest's RDMA function is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function {
    /// Only functions of the same partition can connect, after the P_Key of the IBTA specification
    /// (volume 1, 10.9).
    pub partition: u16,
    /// Its share of the engine relative to the other busy functions; at least 1.
    pub weight: u16,
    /// How many objects it may hold.
    pub quota: Quota,
}

/// Objects that a function may hold at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Protection domains.
    pub pds: u32,
    /// Completion queues.
    pub cqs: u32,
    /// Queue pairs.
    pub qps: u32,
    /// Memory regions.
    pub mrs: u32,
    /// Pages of 4 KiB named by all its memory regions of the page-list kind.
    pub pages: u32,
}

impl Default for Quota {
    /// Enough for a program with a few peers; a scenario that needs more says so.
    fn default() -> Self {
        Self {
            pds: 4,
            cqs: 16,
            qps: 16,
            mrs: 32,
            pages: 4096,
        }
    }
}

impl Default for Function {
    fn default() -> Self {
        Self {
            partition: 1,
            weight: 1,
            quota: Quota::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::guest;
    use alloc::vec;

    #[test]
    fn peers_are_the_other_guests_of_the_partition() {
        let mut guests = vec![guest("a", 1), guest("b", 2), guest("c", 3)];
        guests[1].function.partition = 2;
        let scenario = Scenario {
            engine_core: 0,
            engine: Engine::default(),
            idle_functions: 0,
            baseline: false,
            guests,
            host: None,
        };
        assert_eq!(scenario.peers_of(0).collect::<Vec<_>>(), [2]);
        assert_eq!(scenario.peers_of(1).count(), 0);
        assert_eq!(scenario.peers_of(2).collect::<Vec<_>>(), [0]);
        assert_eq!(scenario.peers_of(9).count(), 0);
    }
}
