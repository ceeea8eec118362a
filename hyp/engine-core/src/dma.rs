//! DMA engines of this machine: their registers, and the core that drives them.

use core::ops::Range;

use unimux_el2::{cache, registers::RegisterBlock, time};
use unimux_engine::dma::{Machine, Registers};
use unimux_engine::{Combined, Copy, Engine, EngineError, Full, Token, Way};

/// Registers of a channel.
#[derive(Debug)]
pub struct Block(pub RegisterBlock);

impl Registers for Block {
    fn read(&self, offset: usize) -> u32 {
        self.0.read(offset)
    }

    fn write(&mut self, offset: usize, value: u32) {
        self.0.write(offset, value);
    }
}

/// This core, as a DMA engine asks for it.
#[derive(Clone, Copy, Debug)]
pub struct Core {
    line_bytes: u64,
}

impl Core {
    /// The core that this runs on.
    #[must_use]
    pub fn this() -> Self {
        Self {
            line_bytes: cache::longest_line(),
        }
    }
}

/// Memory has the same addresses at EL2 and on the bus.
fn here(range: Range<u64>) -> Range<usize> {
    range.start as usize..range.end as usize
}

impl Machine for Core {
    fn now_ns(&self) -> u64 {
        time::microseconds() * 1000
    }

    fn line_bytes(&self) -> u64 {
        self.line_bytes
    }

    fn clean(&self, range: Range<u64>) {
        cache::clean_lines(here(range));
    }

    fn clean_and_invalidate(&self, range: Range<u64>) {
        cache::clean_and_invalidate_lines(here(range));
    }

    /// No line is dirty, unless a guest writes to what it has the engine write to; then it is all the
    /// same who wins. So this may clean as well, and is safe, whatever it is given.
    fn invalidate(&self, range: Range<u64>) {
        cache::clean_and_invalidate_lines(here(range));
    }

    fn to_engine(&self) {
        cache::complete();
    }

    fn from_engine(&self) {
        cache::after_device();
    }
}

/// The DMA engine of the machine.
#[derive(Debug)]
pub enum Dma {
    /// The DMA of a Zynq UltraScale+.
    #[cfg(feature = "zdma")]
    Zdma(unimux_engine::zdma::Zdma<Block, Core>),
    /// An AXI CDMA.
    #[cfg(feature = "cdma")]
    Cdma(unimux_engine::cdma::Cdma<Block, Core>),
}

/// What moves bytes on a machine that may have a DMA engine.
pub type DmaEngine = Combined<Dma>;

impl Dma {
    /// Channels that take jobs: none, if the machine has no such engine.
    #[must_use]
    pub fn in_service(&self) -> usize {
        match self {
            #[cfg(feature = "zdma")]
            Self::Zdma(engine) => engine.in_service(),
            #[cfg(feature = "cdma")]
            Self::Cdma(engine) => engine.in_service(),
        }
    }

    /// How scenarios call it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            #[cfg(feature = "zdma")]
            Self::Zdma(_) => "zdma",
            #[cfg(feature = "cdma")]
            Self::Cdma(_) => "cdma",
        }
    }

    /// Jobs that it ended well, and their bytes.
    #[must_use]
    pub fn moved(&self) -> (u64, u64) {
        match self {
            #[cfg(feature = "zdma")]
            Self::Zdma(engine) => engine.moved(),
            #[cfg(feature = "cdma")]
            Self::Cdma(engine) => engine.moved(),
        }
    }
}

impl Engine for Dma {
    const HAS_JOBS: bool = true;

    fn depth(&self) -> usize {
        match self {
            #[cfg(feature = "zdma")]
            Self::Zdma(engine) => engine.depth(),
            #[cfg(feature = "cdma")]
            Self::Cdma(engine) => engine.depth(),
        }
    }

    fn way(&self, request_bytes: u32) -> Way {
        match self {
            #[cfg(feature = "zdma")]
            Self::Zdma(engine) => engine.way(request_bytes),
            #[cfg(feature = "cdma")]
            Self::Cdma(engine) => engine.way(request_bytes),
        }
    }

    fn start(&mut self, token: Token, copies: &[Copy]) -> Result<(), Full> {
        match self {
            #[cfg(feature = "zdma")]
            Self::Zdma(engine) => engine.start(token, copies),
            #[cfg(feature = "cdma")]
            Self::Cdma(engine) => engine.start(token, copies),
        }
    }

    fn reap(&mut self) -> Option<(Token, Result<(), EngineError>)> {
        match self {
            #[cfg(feature = "zdma")]
            Self::Zdma(engine) => engine.reap(),
            #[cfg(feature = "cdma")]
            Self::Cdma(engine) => engine.reap(),
        }
    }
}
