//! Stage-2 translation tables as data.
//!
//! What a guest can reach is first a [`Policy`], a sorted list of ranges that refuses every
//! contradiction; then [`Tables`], the same list as descriptors in frames the caller gives.
//! A live table changes only through [`Tables::map`] and [`Tables::unmap`], or for one leaf that comes
//! back [`Tables::withhold`] and [`Tables::restore`], whose types make break-before-make the only
//! order that compiles.
//!
//! ```text
//!   Policy ────leaves()────▶ Tables ◀──── map / unmap ────▶ Machine
//!   "RAM here, doorbell      descriptors in                 barrier, TLB
//!    there, else nothing"    TableFrames                    (the EL2 crate)
//!                              │
//!                              └── walk(Ipa) ─▶ Pa, attributes, level
//!
//!   IPA  38      30 29      21 20      12 11       0
//!       ├──────────┼──────────┼──────────┼──────────┤
//!       │ level 1  │ level 2  │ level 3  │  offset  │   4 KiB granule, 39-bit IPA,
//!       └──────────┴──────────┴──────────┴──────────┘   one 4 KiB root at level 1
//!        1 GiB blk   2 MiB blk   4 KiB page
//! ```
//!
//! It executes nothing: no register is written here, no TLB invalidated. Those are the two
//! methods of [`Machine`], which the EL2 crate has. It knows no devices either: a range that is
//! emulated is a range that stays unmapped, under a name.
//!
//! **Invariant.** Every IPA that translates does so to the address and with the rights of the one
//! mapping of the policy that covers it; every other IPA faults. The property tests in
//! `tests/` hold the tables to this sentence at every page boundary.
//!
//! Source of all encodings: *Arm Architecture Reference Manual for A-profile*, DDI 0487, chapter
//! D8 (VMSAv8-64) and D24 (registers), cited by section at each use.
#![no_std]
#![forbid(unsafe_code)]

mod attributes;
mod change;
mod control;
mod descriptor;
mod frames;
mod geometry;
mod leaves;
mod policy;
mod slot;
mod tables;
mod walk;
mod withhold;

pub use attributes::{Access, Attributes, Memory};
pub use change::{ChangeError, Invalidation, Machine};
pub use control::{VTCR_EL2, Vmid, vttbr};
pub use descriptor::{Descriptor, Entry};
pub use frames::{Frame, FrameArray, TableFrames};
pub use geometry::{BLOCK_BYTES, ENTRIES, GIANT_BYTES, IPA_BITS, Level, PA_BITS, PAGE_BYTES};
pub use leaves::{Leaf, Leaves};
pub use policy::{Conflict, Kind, MAX_REGIONS, PhysicalRange, Policy, PolicyError, Region};
pub use tables::{BuildError, Tables};
pub use walk::{Translation, WalkFault};
pub use withhold::Withheld;
