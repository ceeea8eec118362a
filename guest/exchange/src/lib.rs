//! How two guests meet, and how a file goes from one to the other.
//!
//! It knows no operating system: bare-metal programs and Linux tools speak the same letters, so a
//! file can go from one to the other. Memory and the doorbell are the caller's, as the driver's
//! [`Platform`](unimux_driver::Platform) and [`Memory`](unimux_driver::Memory).
//!
//! ```text
//!   Session      an attached function, and the letters that came to it
//!   Connection   a queue pair connected to a peer's
//!   job          the file there, its digest back, small operations both ways
//!   measure      how long requests take, and how many go through
//! ```
//!
//! Nothing here is a promise of the project: the API is `unimux-driver`.
#![no_std]
#![forbid(unsafe_code)]

pub mod buffer;
pub mod connection;
pub mod digest;
pub mod failure;
pub mod job;
pub mod latency;
pub mod letter;
pub mod measure;
pub mod session;
pub mod table;
pub mod task;

pub use buffer::Buffer;
pub use connection::Connection;
pub use session::Session;
