//! The engine `cpu`: the core that asks moves the bytes itself.
//!
//! It is always there, so every board has an engine, and it is the baseline that others are
//! measured against. A copy is over when `submit` returns.

#[cfg_attr(target_arch = "aarch64", path = "aarch64.rs")]
#[cfg_attr(not(target_arch = "aarch64"), path = "portable.rs")]
mod bytes;

use crate::{Copy, Engine, EngineError, Full, Submitted, Token};

/// The engine that is the calling core.
///
/// On `aarch64` it uses registers q0 to q7: whoever makes one must not keep anything in the
/// vector registers of this core, and must let it use them (at EL2: `CPTR_EL2.TFP` = 0).
#[derive(Clone, Copy, Debug, Default)]
pub struct CpuEngine;

impl Engine for CpuEngine {
    fn depth(&self) -> usize {
        1
    }

    #[inline]
    fn submit(&mut self, _token: Token, copy: Copy) -> Result<Submitted, Full> {
        copy_now(copy);
        Ok(Submitted::Done)
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
