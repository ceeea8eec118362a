//! The memory of a host of virtual machines, as the physical function asks the machine for it.
//!
//! Which memory that is, the machine knows; which of it a tenant may name, the host says.

use unimux_abi::response::Status;
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

    /// Something that a log should say: not for every command that is refused, and not more often
    /// than every [`NOTE_INTERVAL_NS`].
    fn note(&mut self, note: Note) {
        let _ = note;
    }
}

/// How often there is a note at most: a host that asks for nonsense all day fills no log.
pub const NOTE_INTERVAL_NS: u64 = 100_000_000;

/// What a host, or a tenant of it, did that it may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// It would have a tenant name, or ring at, memory that is not its own or somebody's already.
    Refused {
        /// Where that memory is.
        pa: Pa,
        /// Its length in bytes.
        len_bytes: u64,
        /// What the command was answered with.
        status: Status,
    },
    /// A tenant broke the rules of its own rings, and its function was stopped.
    Stopped(FunctionId),
    /// The host broke the rules of its own rings; it can attach anew.
    Broken,
}
