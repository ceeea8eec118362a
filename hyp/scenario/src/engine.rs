//! Which engine moves the bytes.

use crate::binding;

/// A kind of engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineKind {
    /// The engine core itself, and nothing else.
    Cpu,
    /// The DMA of a Zynq UltraScale+.
    Zdma,
    /// An AXI CDMA in the FPGA.
    Cdma,
}

impl EngineKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Cpu, Self::Zdma, Self::Cdma];

    /// Its name in scenarios, device trees and the log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => binding::ENGINE_CPU,
            Self::Zdma => binding::ENGINE_ZDMA,
            Self::Cdma => binding::ENGINE_CDMA,
        }
    }

    /// The engine of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// What a scenario says of the engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Engine {
    /// The engine that has to be there. If nothing is said, the best that the machine has.
    pub kind: Option<EngineKind>,
    /// The shortest request that is left to a DMA engine; shorter ones are moved by the engine
    /// core. If nothing is said, what was measured to be best.
    pub crossover_bytes: Option<u32>,
}
