//! The engine `cpu`: the core that asks moves the bytes itself.
//!
//! It is always there, so every board has an engine, and it is the baseline that others are
//! measured against. It has no jobs: all is moved when the call returns.

#[cfg_attr(target_arch = "aarch64", path = "aarch64.rs")]
#[cfg_attr(not(target_arch = "aarch64"), path = "portable.rs")]
mod bytes;

use crate::{Copy, Engine, EngineError, Full, Token, Way};

/// The engine that is the calling core.
///
/// On `aarch64` it uses registers q0 to q7: whoever makes one must not keep anything in the
/// vector registers of this core, and must let it use them (at EL2: `CPTR_EL2.TFP` = 0).
#[derive(Clone, Copy, Debug, Default)]
pub struct CpuEngine;

impl Engine for CpuEngine {
    const HAS_JOBS: bool = false;

    fn depth(&self) -> usize {
        1
    }

    #[inline]
    fn way(&self, _request_bytes: u32) -> Way {
        Way::Now
    }

    #[inline]
    fn start(&mut self, _token: Token, _copies: &[Copy]) -> Result<(), Full> {
        Err(Full)
    }

    #[inline]
    fn reap(&mut self) -> Option<(Token, Result<(), EngineError>)> {
        None
    }
}

/// Moves the bytes before it returns: what [`CpuEngine`] does, and what benches compare with.
pub fn copy_now(copy: Copy) {
    bytes::copy(copy.source(), copy.destination());
}

#[cfg(test)]
mod tests;
