//! The engine `cpu`: the core that asks moves the bytes itself.
//!
//! It is always there, so every board has an engine, and it is the baseline that others are
//! measured against. A copy is done when `submit` returns; reaping only tells so.

#[cfg_attr(target_arch = "aarch64", path = "aarch64.rs")]
#[cfg_attr(not(target_arch = "aarch64"), path = "portable.rs")]
mod bytes;

use heapless::Deque;

use crate::{Copy, Engine, EngineError, Full, Token};

/// Copies that can wait to be reaped.
const DEPTH: usize = 8;

/// The engine that is the calling core.
///
/// On `aarch64` it uses registers q0 to q7: whoever makes one must not keep anything in the
/// vector registers of this core, and must let it use them (at EL2: `CPTR_EL2.TFP` = 0).
#[derive(Debug, Default)]
pub struct CpuEngine {
    done: Deque<Token, DEPTH>,
}

impl CpuEngine {
    /// An engine with nothing in flight.
    #[must_use]
    pub const fn new() -> Self {
        Self { done: Deque::new() }
    }
}

impl Engine for CpuEngine {
    fn depth(&self) -> usize {
        DEPTH
    }

    fn submit(&mut self, token: Token, copy: Copy) -> Result<(), Full> {
        self.done.push_back(token).map_err(|_| Full)?;
        copy_now(copy);
        Ok(())
    }

    fn reap(&mut self) -> Option<(Token, Result<(), EngineError>)> {
        self.done.pop_front().map(|token| (token, Ok(())))
    }
}

/// Moves the bytes before it returns: what [`CpuEngine`] does, and what benches compare with.
pub fn copy_now(copy: Copy) {
    bytes::copy(copy.source(), copy.destination());
}

#[cfg(test)]
mod tests;
