//! Engines that move bytes for the firmware.
//!
//! An engine knows nothing of guests, keys or queues: it is told two [spans](Span) of the same
//! length and moves one to the other. Spans are made from grants only, so the worst that a wrong
//! order can do is to move one guest's bytes to another guest's memory; never Unimux's.
//!
//! ```text
//!   firmware ──submit(Token, Copy)──▶ Engine ──reap()──▶ (Token, Ok | EngineError)
//!                                        └──▶ Done, by an engine that is this core itself
//! ```
#![no_std]

mod copy;
pub mod cpu;

use thiserror::Error;

pub use copy::{Copy, UnequalLengths};
#[doc(no_inline)]
pub use unimux_memory::Span;

/// What the submitter calls a copy; the engine gives it back and makes nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token(pub u16);

/// How a copy was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Submitted {
    /// It is over, and well: there is nothing to reap.
    Done,
    /// It can be reaped some time.
    InFlight,
}

/// The engine has as many copies in flight as it can: reap first.
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
    /// The engine did not finish in time and was reset.
    #[error("the engine was reset")]
    Reset,
}

/// Moves bytes from span to span.
///
/// *Ordering.* Copies in flight at the same time may be carried out in any order and may overlap
/// in time. When a copy has been reaped, or was [`Submitted::Done`], its bytes are visible to every core that afterwards
/// acquires what this core releases; an engine that is not a core brings its own barriers and
/// cache maintenance.
pub trait Engine {
    /// How many copies can be in flight, at least one; the firmware has up to 64 there.
    fn depth(&self) -> usize;

    /// Starts a copy.
    ///
    /// # Errors
    ///
    /// [`Full`] if [`depth`](Engine::depth) copies are in flight.
    fn submit(&mut self, token: Token, copy: Copy) -> Result<Submitted, Full>;

    /// A copy that has ended since, in no promised order.
    fn reap(&mut self) -> Option<(Token, Result<(), EngineError>)>;
}
