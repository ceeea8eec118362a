//! What the guest programs share: `unimux-exchange` on the bare machine.
//!
//! The programs are `src/bin/main-job`, which moves a file through the engine and back,
//! `src/bin/bench`, which measures, and `src/bin/witness.rs`, which measures what others ask it to.
//! Nothing here is a promise of the project: the API is `unimux-driver`, the machine is
//! `unimux-guest-rt`.
#![no_std]
#![forbid(unsafe_code)]

pub mod platform;

pub use unimux_exchange::{
    Buffer, connection, digest, failure, job, latency, letter, measure, session, table, task,
};

pub use platform::{Machine, latencies};

/// An attached function of a bare-metal guest.
pub type Session = unimux_exchange::Session<Machine>;
/// A connection of a bare-metal guest.
pub type Connection = unimux_exchange::Connection<Machine>;
