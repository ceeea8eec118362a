//! The engine of a machine that has no DMA engine: the engine core.

use unimux_engine_core::CoreEngine;
use unimux_scenario::Scenario;
use unimux_tree::Tree;

/// The engine core.
pub(crate) struct Choice;

/// The engine core: nothing else can be asked for.
#[expect(
    clippy::unnecessary_wraps,
    reason = "there is a choice on other machines"
)]
pub(crate) fn choose(_tree: &Tree<'_>, _scenario: &Scenario) -> Result<Choice, &'static str> {
    Ok(Choice)
}

impl Choice {
    /// It has no registers.
    pub(crate) fn registers(&self) -> impl Iterator<Item = (u64, u64)> {
        core::iter::empty()
    }

    /// Makes the engine.
    pub(crate) fn make(self) -> CoreEngine {
        CoreEngine::default()
    }
}

/// All that was moved, the core has moved.
pub(crate) fn report(_engine: &CoreEngine) {}
