//! Why a scenario is refused, in words that name who and where.

use unimux_paravirt::map::VCPUS_MAX;
use unimux_text::texts;

use crate::arm64_image::ImageError;
use crate::check::FUNCTIONS_MAX;
use crate::host::IMAGE_ALIGN;
use crate::place::{RAM_ALIGN, RAM_MAX, RAM_MIN};
use crate::{NAME_MAX, PaRange, SEATS_MAX, WEIGHT_MAX};

/// The first reason against a scenario. It borrows the names in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal<'a> {
    /// The engine's core does not exist.
    NoEngineCore {
        /// Asked for.
        core: u32,
        /// Cores of the machine.
        cores: u32,
    },
    /// A guest or the host names a core that does not exist.
    UnknownCore {
        /// Whose.
        who: &'a str,
        /// Asked for.
        core: u32,
        /// Cores of the machine.
        cores: u32,
    },
    /// A core has two roles.
    CoreTwice {
        /// Which.
        core: u32,
        /// Who has it.
        first: &'a str,
        /// Who wants it too.
        second: &'a str,
    },
    /// A core of more vCPUs than one can have.
    CoreTooShared {
        /// Which.
        core: u32,
    },
    /// A guest that shares its cores with a weight that there is not.
    Share {
        /// Which.
        guest: &'a str,
        /// Its weight.
        weight: u32,
    },
    /// A guest without a core.
    NoCore {
        /// Which.
        guest: &'a str,
    },
    /// A guest with more cores than the counter page has blocks.
    TooManyCores {
        /// Which.
        guest: &'a str,
        /// How many.
        cores: usize,
    },
    /// A name that the console cannot show.
    BadName {
        /// What it is.
        name: &'a str,
    },
    /// Two guests of the same name.
    NameTwice {
        /// Which name.
        name: &'a str,
    },
    /// RAM that stage 2 cannot make of 2 MiB blocks, or below or beyond the limits.
    MemorySize {
        /// Whose.
        guest: &'a str,
        /// How much.
        memory_bytes: u64,
    },
    /// A fixed place that is no multiple of 2 MiB.
    PlaceNotAligned {
        /// Whose.
        guest: &'a str,
        /// Where.
        base: u64,
    },
    /// Not enough memory in one piece.
    ExceedsMemory {
        /// Whose.
        guest: &'a str,
        /// How much.
        memory_bytes: u64,
    },
    /// Something lies where the machine has no RAM.
    OutsideMemory {
        /// What.
        what: Occupant<'a>,
    },
    /// A module without bytes, or one that wraps.
    ModuleLength {
        /// Image or payload of whom.
        what: Occupant<'a>,
    },
    /// Two things in one place.
    Overlap {
        /// One.
        first: Occupant<'a>,
        /// Where it is.
        first_range: PaRange,
        /// The other.
        second: Occupant<'a>,
        /// Where it is.
        second_range: PaRange,
    },
    /// A guest whose memory is too small for what it starts with.
    GuestTooSmall {
        /// Whose.
        guest: &'a str,
        /// RAM.
        memory_bytes: u64,
        /// Image or payload.
        what: &'static str,
        /// Its size.
        needs_bytes: u64,
    },
    /// A function that would never be served.
    NoWeight {
        /// Whose.
        guest: &'a str,
    },
    /// More functions than the firmware has.
    TooManyFunctions {
        /// How many.
        functions: u64,
    },
    /// No memory for what the host is given.
    NoRoomForHost,
    /// A host without a core.
    HostWithoutCore,
    /// The host's kernel is no arm64 `Image`.
    Kernel {
        /// Why.
        error: ImageError,
    },
    /// The file of the host's kernel is not all there.
    KernelCutOff {
        /// Bytes that are there.
        has_bytes: u64,
        /// Bytes that it says it has.
        needs_bytes: u64,
    },
    /// The host's kernel is where it cannot run.
    KernelNotAligned {
        /// Where.
        pa: u64,
    },
    /// Something is where the variables of the host's kernel are to be.
    KernelWithoutRoom {
        /// Where the kernel begins.
        pa: u64,
        /// What it takes from there on.
        memory_bytes: u64,
    },
    /// An image that a guest cannot be started with.
    Image {
        /// Whose.
        guest: &'a str,
        /// Why.
        error: ImageError,
    },
}

/// What takes a part of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occupant<'a> {
    /// The machine, or Unimux.
    Board(&'static str),
    /// Something of a guest's.
    Guest {
        /// Memory, image or payload.
        what: &'static str,
        /// Whose.
        guest: &'a str,
    },
}

texts!(Occupant<'_> {
    Self::Board(what) => "{}", what;
    Self::Guest { what, guest } => "the {} of {}", what, guest;
});

texts!(Refusal<'_> {
    Self::NoEngineCore { core, cores } =>
        "no engine core: the machine has {} cores from 0 on, not core {}", cores, core;
    Self::UnknownCore { who, core, cores } =>
        "{} names core {}, but the machine has {} cores from 0 on", who, core, cores;
    Self::CoreTwice { core, first, second } =>
        "core {} is given twice: to {} and to {}, not all of whom share it", core, first, second;
    Self::CoreTooShared { core } =>
        "core {} is given to more than {} vCPUs", core, SEATS_MAX;
    Self::Share { guest, weight } =>
        "guest {} shares its cores with weight {}; it must be 1 to {}", guest, weight, WEIGHT_MAX;
    Self::NoCore { guest } => "guest {} has no core", guest;
    Self::TooManyCores { guest, cores } =>
        "guest {} has {} cores; at most {} are possible", guest, cores, VCPUS_MAX;
    Self::BadName { name } =>
        "\"{}\" is no name for a guest: 1 to {} of a-z, 0-9 and -", name, NAME_MAX;
    Self::NameTwice { name } => "two guests are called {}", name;
    Self::MemorySize { guest, memory_bytes } =>
        "guest {}: {:#x} bytes of memory; it must be a multiple of {:#x} from {:#x} to {:#x}",
        guest, memory_bytes, RAM_ALIGN, RAM_MIN, RAM_MAX;
    Self::PlaceNotAligned { guest, base } =>
        "guest {}: its memory cannot lie at {:#x}, which is no multiple of {:#x}",
        guest, base, RAM_ALIGN;
    Self::ExceedsMemory { guest, memory_bytes } =>
        "guest {}: no {:#x} bytes of memory in one piece are left", guest, memory_bytes;
    Self::OutsideMemory { what } => "{} lies outside the machine's memory", what;
    Self::ModuleLength { what } =>
        "{} is empty or passes the end of the address space", what;
    Self::Overlap { first, first_range, second, second_range } =>
        "{} ({}) and {} ({}) overlap", first, first_range, second, second_range;
    Self::GuestTooSmall { guest, memory_bytes, what, needs_bytes } =>
        "guest {}: {:#x} bytes of memory are too few for its {} of {:#x}",
        guest, memory_bytes, what, needs_bytes;
    Self::NoWeight { guest } => "guest {}: the weight of a function is at least 1", guest;
    Self::TooManyFunctions { functions } =>
        "{} functions, idle and tenants' included; at most {} are possible", functions, FUNCTIONS_MAX;
    Self::NoRoomForHost =>
        "no memory is left for the host's device tree and physical function";
    Self::HostWithoutCore => "the host has no core";
    Self::Kernel { error } => "the host's kernel: {}", error;
    Self::KernelCutOff { has_bytes, needs_bytes } =>
        "the host's kernel is cut off: {} of {} bytes are there", has_bytes, needs_bytes;
    Self::KernelNotAligned { pa } =>
        "the host's kernel is loaded at {:#x}, which is no multiple of {:#x}", pa, IMAGE_ALIGN;
    Self::KernelWithoutRoom { pa, memory_bytes } =>
        "the host's kernel at {:#x} takes {:#x} bytes, which are not all free", pa, memory_bytes;
    Self::Image { guest, error } => "guest {}: {}", guest, error;
});

impl core::error::Error for Refusal<'_> {}
