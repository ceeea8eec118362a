//! What a partition guest sees of Unimux: its map, its calls, its counters.
//!
//! Three things that guest and EL2 must agree on, and nothing else: where things lie in the
//! guest's intermediate physical address space ([`map`]), which vendor hypercalls exist
//! ([`hypercall`]), and where EL2 counts the guest's exits ([`exits`]).
//!
//! It is not the RDMA function's wire format, which is `unimux-abi`.
#![no_std]
#![forbid(unsafe_code)]

pub mod exits;
pub mod hypercall;
pub mod map;

pub use exits::{ExitCounters, ExitReason};
