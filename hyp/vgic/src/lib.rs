//! A virtual GICv2 or GICv3 for one guest: registers, pending state, list registers.
//!
//! It is logic with `&mut self`: it holds no lock, touches no hardware register and sends no
//! interrupt to another core. It tells what to write into the list registers and which vCPUs to
//! wake, and the EL2 crate does so. The version is a type, so an image holds the one that its board
//! has. Not modelled: LPIs and the ITS, GICv3's GICv2 compatibility (affinity routing is always on),
//! 1-of-N routing by load, two security states, message-based SPIs.
//!
//! ```text
//!  guest's loads and stores  ──▶ read / write ──▶ ┌───────────────────┐
//!  msr ICC_SGI1R_EL1 (v3)    ──▶ send_sgi     ──▶ │ Distributor       │  SPIs 32..96
//!  engine: completion        ──▶ pulse        ──▶ │ Private × vCPUs   │  SGIs, PPIs 0..32
//!  emulated device's wire    ──▶ assert       ──▶ └───┬───────────▲───┘
//!  physical timer, PPI 27    ──▶ forward              │           │
//!                                         refill(vcpu)│           │retire(vcpu)
//!                                          before entry           after exit
//!                                                     ▼           │
//!                                      ICH_LR0_EL2 … or GICH_LR0 …
//!                                      acknowledge and end of interrupt
//!                                      happen here without an exit
//! ```
//!
//! **Rule of use.** Between [`VirtualGic::refill`] and [`VirtualGic::retire`] of a vCPU the truth about its
//! listed interrupts is in the list registers. So EL2 retires first thing when it wants the vGIC
//! after an exit (before it emulates that vCPU's register access) and refills last thing before
//! entry. An exit that does not touch the vGIC need do neither.
//!
//! **Invariant.** An interrupt is in the list registers of at most one vCPU, and every pending
//! state is in exactly one place: latched here, or travelling in a list register.
//!
//! Sources: IHI 0048B for [`v2`], IHI 0069 for [`v3`].
#![no_std]
#![forbid(unsafe_code)]

mod bank;
mod delivery;
mod distributor;
mod intid;
mod list;
mod private;
mod registers;
pub mod v2;
pub mod v3;
mod version;
mod vgic;

pub use delivery::Refill;
pub use intid::{INTIDS, Intid, SPIS, VCPUS_MAX, VcpuSet};
pub use list::{LISTS_MAX, ListState};
pub use v2::V2;
pub use v3::V3;
pub use version::Version;
pub use vgic::{Line, VirtualGic};
