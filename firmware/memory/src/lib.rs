//! Guest addresses, and the proof that memory belongs to a guest.
//!
//! It holds no rings and no rights: a region's access rights are the firmware's business.
//!
//! ```text
//!  hypervisor ──unsafe grant──▶ Windows ──translate(Ipa, len)──▶ Span ──▶ rings, engines
//!  (says once: this physical    (one per function)               (copyable proof)
//!   memory is the guest's)
//! ```
//!
//! **Invariant.** A [`Span`] covers only memory that was granted to some guest: no Rust object
//! lives there, and it stays mapped for as long as the program runs. A span can be made in no
//! other way, so what an engine is handed can corrupt a guest but never Unimux.
#![no_std]

extern crate alloc;

mod address;
mod span;
mod window;
mod windows;

pub use address::{Ipa, Pa};
pub use span::{Line, Span};
pub use windows::{GrantError, OutOfReach, USUAL_WINDOWS, Windows};
