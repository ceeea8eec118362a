//! The PCI bus that a partition guest sees: a host bridge, and its RDMA function.
//!
//! Configuration space is reached as memory (ECAM, PCI Express Base Specification 3.0, 7.2.2): one
//! bus, of which every access exits, as it happens at boot and when a driver binds. BAR 0 of the
//! function is the doorbell page and the page behind it, which are mapped and do not exit.
//!
//! ```text
//!   0000:00:00.0  host bridge     no BAR, no capability
//!   0000:00:01.0  RDMA function   BAR 0, INTA, a vendor-specific capability
//! ```
//!
//! The window behind the bridge is as large as BAR 0, so there is one place for it. A function whose
//! BAR was moved out of the window answers nowhere on real hardware; here the pages stay.
#![no_std]
#![forbid(unsafe_code)]

mod bus;
mod function;
mod registers;

pub use bus::{Bus, ECAM_BYTES, FUNCTION_DEVICE, Life};
pub use function::Identity;
