//! One channel of a DMA engine: it moves a list of pieces, and is polled.

use super::Machine;
use crate::EngineError;

/// Bytes at physical addresses, for a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where they are.
    pub source: u64,
    /// Where they go.
    pub destination: u64,
    /// How many, at most [`Limits::piece_bytes`].
    pub len_bytes: u32,
}

/// What a channel can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The first address that is beyond the channel's reach.
    pub reach: u64,
    /// Most bytes of one piece.
    pub piece_bytes: u32,
    /// Most pieces of one list, at least one.
    pub pieces: usize,
    /// Source and destination must be at the same offset in so many bytes, a power of two: what is
    /// not is left to the core. 1 for a channel that shifts bytes itself.
    pub lane_bytes: u64,
}

/// A channel of a DMA engine.
pub trait Channel {
    /// What it can be told.
    fn limits(&self) -> Limits;

    /// Makes an idle channel ready, whatever anybody told it before.
    fn set_up(&mut self);

    /// Starts to move `pieces`: no more than its limits say, and at least one. The channel is idle.
    /// It has the bytes visible to the device before it rings ([`Machine::to_engine`]).
    fn start(&mut self, pieces: &[Piece], machine: &impl Machine);

    /// How the list ended, or `None` while it has not.
    fn poll(&mut self, machine: &impl Machine) -> Option<Result<(), EngineError>>;

    /// Tells the channel to stop, without waiting until it does.
    fn stop(&mut self);

    /// Whether the channel touches nothing any more until it is started.
    fn is_idle(&mut self) -> bool;
}
