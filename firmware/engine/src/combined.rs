//! Two engines in one: this core moves what is short, a DMA engine the rest.
#![forbid(unsafe_code)]

use crate::{Copy, Engine, EngineError, Full, Token, Way};

/// A DMA engine, and this core for requests that are over before a channel would have begun.
///
/// With a crossover of 0 all is left to the DMA engine; with [`NEVER`](Combined::NEVER) nothing.
#[derive(Clone, Debug)]
pub struct Combined<D> {
    dma: D,
    crossover_bytes: u32,
}

impl<D> Combined<D> {
    /// A crossover that no request reaches.
    pub const NEVER: u32 = u32::MAX;

    /// Requests of `crossover_bytes` and more are moved by `dma`, shorter ones by this core.
    pub const fn new(dma: D, crossover_bytes: u32) -> Self {
        Self {
            dma,
            crossover_bytes,
        }
    }

    /// Changes the crossover. Requests that are under way go on by the new one.
    pub const fn set_crossover(&mut self, crossover_bytes: u32) {
        self.crossover_bytes = crossover_bytes;
    }

    /// The DMA engine.
    pub const fn dma(&self) -> &D {
        &self.dma
    }
}

impl<D: Engine> Engine for Combined<D> {
    const HAS_JOBS: bool = D::HAS_JOBS;

    fn depth(&self) -> usize {
        self.dma.depth()
    }

    #[inline]
    fn way(&self, request_bytes: u32) -> Way {
        if request_bytes < self.crossover_bytes || self.crossover_bytes == Self::NEVER {
            Way::Now
        } else {
            self.dma.way(request_bytes)
        }
    }

    fn start(&mut self, token: Token, copies: &[Copy]) -> Result<(), Full> {
        self.dma.start(token, copies)
    }

    fn reap(&mut self) -> Option<(Token, Result<(), EngineError>)> {
        self.dma.reap()
    }
}
