//! What a guest exit means, decoded from its syndrome.
//!
//! It decides nothing and touches no guest: the registers that the core left behind go in, a value
//! that names what happened comes out, and its `Display` is the line of the fault report.
//!
//! ```text
//!   ESR_EL2, FAR_EL2, HPFAR_EL2 ──▶ Exit ─┬─ DataAbort(Abort { access }) ──▶ device, or fault
//!   which vector                          ├─ Hvc / Smc ─▶ Call ─▶ PSCI, SMCCC, vendor
//!                                         ├─ SystemRegister ──▶ ID, debug, vGIC, or undefined
//!                                         └─ Irq, Serror, …
//! ```
//!
//! **Invariant.** Decoding is total: any 64-bit values give an [`Exit`] and any registers a
//! [`Call`]; what has no meaning is `Other` or `Unknown`, never a panic and never a guess.
//!
//! Sources: *Arm Architecture Reference Manual*, DDI 0487, D24.2 (ESR_EL2, FAR_EL2, HPFAR_EL2);
//! *SMC Calling Convention*, DEN0028; *Power State Coordination Interface*, DEN0022;
//! *True Random Number Generator Firmware Interface*, DEN0098.
#![no_std]
#![forbid(unsafe_code)]

mod abort;
mod access;
mod call;
pub mod debug;
mod exit;
pub mod id_registers;
pub mod injection;
pub mod psci;
mod registers;
mod status;
mod syndrome;
mod sysreg;
pub mod trng;

pub use abort::Abort;
pub use access::{Access, Direction, Size};
pub use call::{Call, NOT_SUPPORTED, SMCCC_1_1, psci_result};
pub use exit::{Exit, Snapshot, Vector};
pub use registers::{Registers, ZERO_REGISTER};
pub use status::FaultStatus;
pub use syndrome::{ExceptionClass, Syndrome};
pub use sysreg::{SystemRegister, SystemRegisterAccess};
