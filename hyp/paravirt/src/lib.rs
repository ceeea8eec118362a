//! What a partition guest sees of Unimux: its map, its calls, its counters.
//!
//! What guest and EL2 must agree on, and nothing else: where things lie in the guest's intermediate
//! physical address space ([`map`]), which vendor hypercalls exist ([`hypercall`]), where EL2
//! counts the guest's exits ([`exits`]), and how a function says who it is ([`info`]).
//!
//! It is not the RDMA function's wire format, which is `unimux-abi`.
#![no_std]
#![forbid(unsafe_code)]

pub mod exits;
pub mod hypercall;
pub mod info;
pub mod map;

pub use exits::{ExitCounters, ExitReason};
