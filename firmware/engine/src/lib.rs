//! Engines that move bytes for the firmware.
//!
//! An engine knows nothing of guests, keys or queues: it is told [spans](Span) of the same length and
//! moves one to the other. Spans are made from grants only, so the worst that a wrong order can do is
//! to move one guest's bytes to another guest's memory; never Unimux's.
//!
//! ```text
//!              ┌──way()─────▶ now, as a job, or full
//!   firmware ──┼──move_now()▶ moved by this core when the call returns
//!              ├──start(Token, [Copy])─▶ a DMA channel, in flight
//!              └──reap()────▶ (Token, Ok | EngineError), in no promised order
//! ```
//!
//! | engine | what moves the bytes |
//! |---|---|
//! | [`cpu`] | the engine core itself |
//! | [`zdma`] | the eight-channel DMA of a Zynq UltraScale+ |
//! | [`cdma`] | an AXI CDMA in the FPGA |
//! | [`Combined`] | the core what is short, a DMA engine the rest |
#![no_std]

extern crate alloc;

pub mod cdma;
mod combined;
mod copy;
pub mod cpu;
pub mod dma;
pub mod zdma;

use thiserror::Error;

pub use combined::Combined;
pub use copy::{Copy, UnequalLengths};
#[doc(no_inline)]
pub use unimux_memory::Span;

/// Most copies that one job can have.
pub const COPIES_MAX: usize = 64;

/// What the submitter calls a job; the engine gives it back and makes nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token(pub u16);

/// How an engine would take the next bytes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By [`Engine::move_now`]: it keeps this core, so a little at a time.
    Now,
    /// By [`Engine::start`], up to so many bytes at a time.
    Job {
        /// The length of a block that is worth a job, in bytes.
        block_bytes: u32,
    },
    /// Not now: reap first.
    Full,
}

/// The engine has as many jobs in flight as it can: reap first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the engine is full")]
pub struct Full;

/// The engine could not move the bytes; how much of the destination was written is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EngineError {
    /// Reading the source failed.
    #[error("the source could not be read")]
    Read,
    /// Writing the destination failed.
    #[error("the destination could not be written")]
    Write,
    /// Reading or writing failed, and the engine does not say which.
    #[error("the source could not be read or the destination not written")]
    Access,
    /// The engine could not fetch or update its list of descriptors.
    #[error("a descriptor could not be fetched")]
    Descriptor,
    /// The engine says that it was told something wrong.
    #[error("the engine refused its orders")]
    Internal,
    /// An address is beyond those that the engine can name.
    #[error("an address is out of the engine's reach")]
    OutOfReach,
    /// The engine did not finish in time and was reset.
    #[error("the engine was reset")]
    Reset,
    /// The engine did not finish in time, was told to stop, and has not said that it did: it may
    /// still write. The same token comes back once more when it has stopped.
    #[error("the engine does not stop")]
    Stuck,
}

/// Moves bytes from span to span.
///
/// *Ordering.* Jobs in flight at the same time may be carried out in any order and may overlap in
/// time. When a job has been reaped, or [`move_now`](Engine::move_now) has returned, its bytes are
/// visible to every core that afterwards acquires what this core releases; an engine that is not a
/// core brings its own barriers and cache maintenance.
pub trait Engine {
    /// Whether it ever has jobs in flight.
    const HAS_JOBS: bool;

    /// How many jobs can be in flight, at least one; the firmware has up to 64 there.
    fn depth(&self) -> usize;

    /// How it would take the next bytes of a request of `request_bytes` bytes.
    fn way(&self, request_bytes: u32) -> Way;

    /// Moves the bytes before it returns.
    #[inline]
    fn move_now(&mut self, copy: Copy) {
        cpu::copy_now(copy);
    }

    /// Starts a job of up to [`COPIES_MAX`] copies, which ends as one.
    ///
    /// # Errors
    ///
    /// [`Full`] if it takes none now; never after [`way`](Engine::way) said [`Way::Job`].
    fn start(&mut self, token: Token, copies: &[Copy]) -> Result<(), Full>;

    /// A job that has ended since, in no promised order.
    fn reap(&mut self) -> Option<(Token, Result<(), EngineError>)>;
}
