//! What the guest programs share: a function in use, a peer, and how to report.
//!
//! The programs are `src/bin/main-job.rs`, which moves a file through the engine and back, and
//! `src/bin/bench.rs`, which measures. Nothing here is a promise of the project: the API is
//! `unimux-driver`, the machine is `unimux-guest-rt`.
#![no_std]
#![forbid(unsafe_code)]

pub mod buffer;
pub mod connection;
pub mod digest;
pub mod failure;
pub mod latency;
pub mod letter;
pub mod platform;
pub mod session;
pub mod table;

pub use buffer::Buffer;
pub use connection::Connection;
pub use platform::Machine;
pub use session::Session;
