//! A virtual GICv3 for one guest: registers, pending state, list registers.
//!
//! It is logic with `&mut self`: it holds no lock, touches no hardware register and sends no
//! interrupt to another core. It tells what to write into the list registers and which vCPUs to
//! wake, and the EL2 crate does so. Not modelled: LPIs and the ITS, GICv2 compatibility (affinity
//! routing is always on), 1-of-N routing, two security states, message-based SPIs.
//!
//! ```text
//!  guest's loads and stores ──▶ read / write ──▶ ┌───────────────────┐
//!  msr ICC_SGI1R_EL1        ──▶ send_sgi     ──▶ │ Distributor       │  SPIs 32..96
//!  engine: completion       ──▶ pulse        ──▶ │ Redistributor × n │  SGIs, PPIs 0..32
//!  emulated device's wire   ──▶ assert       ──▶ └───┬───────────▲───┘
//!  physical timer, PPI 27   ──▶ forward              │           │
//!                                        refill(vcpu)│           │retire(vcpu)
//!                                         before entry           after exit
//!                                                    ▼           │
//!                                             ICH_LR0_EL2 … ICH_LRn_EL2
//!                                             acknowledge and end of interrupt
//!                                             happen here without an exit
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
//! Source: *Arm Generic Interrupt Controller Architecture Specification, GICv3 and GICv4*,
//! IHI 0069; register chapters 12.8 (GICH/ICH), 12.9 (GICD), 12.11 (GICR).
#![no_std]
#![forbid(unsafe_code)]

mod bank;
mod delivery;
mod distributor;
mod intid;
mod list;
mod redistributor;
mod registers;
mod sgi;
mod vgic;

pub use delivery::Refill;
pub use intid::{INTIDS, Intid, SPIS, VCPUS_MAX, VcpuSet};
pub use list::{LISTS_MAX, ListRegister, ListState};
pub use sgi::SgiGroup;
pub use vgic::{Frame, Line, REDISTRIBUTOR_BYTES, VirtualGic};
