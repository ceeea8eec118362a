//! The memory of a host of virtual machines, as the physical function asks the machine for it.
//!
//! Which memory that is, the machine knows; which of it a tenant may name, the host says.

use unimux_memory::{Pa, Span};

use crate::FunctionId;

/// The host's memory.
pub trait Host {
    /// The `len_bytes` bytes at `pa`, if all of them are RAM of the host's: neither Unimux's, nor a
    /// partition guest's, nor a device.
    fn ram(&self, pa: Pa, len_bytes: u64) -> Option<Span>;

    /// Makes the page at `pa`, which is RAM of the host's, the doorbell page of `function`: what
    /// the tenant stores there through a device mapping is seen through the span, and no line of
    /// it is in a cache. `None` if it is not the host's.
    fn map_doorbell(&mut self, function: FunctionId, pa: Pa) -> Option<Span>;

    /// The doorbell page of `function` is the host's own again; its span is used no more.
    fn unmap_doorbell(&mut self, function: FunctionId);
}
