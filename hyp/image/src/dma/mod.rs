//! The engine of a machine that may have a DMA engine: found in the device tree, chosen by the
//! scenario.
#![expect(unsafe_code, reason = "registers are named by address")]
// UNSAFETY: believes the device tree about where a DMA engine is.

mod tree;

use alloc::boxed::Box;
use core::sync::atomic::AtomicU64;

use unimux_el2::registers::RegisterBlock;
#[cfg(feature = "cdma")]
use unimux_engine::cdma::{Cdma, CdmaChannel};
use unimux_engine::dma::{Descriptors, Settings};
use unimux_engine::zdma::{Completion, Form, Zdma, ZdmaChannel};
use unimux_engine_core::CoreEngine;
use unimux_engine_core::dma::{Block, Core, Dma};
use unimux_scenario::{EngineKind, Scenario};
use unimux_tree::Tree;

use tree::Device;

/// The shortest request that is left to a DMA engine, if the scenario says nothing: where the engine
/// core has as much to do with a job as with copying the bytes (`cargo xtask bench`).
const CROSSOVER_BYTES: u32 = 8 << 10;

/// The engine that is to be used: its devices, of one kind.
pub(crate) struct Choice {
    kind: EngineKind,
    devices: heapless::Vec<Device, { unimux_engine::dma::CHANNELS_MAX }>,
    crossover_bytes: u32,
}

/// What the scenario wants of what the machine has, or why it cannot be.
pub(crate) fn choose(tree: &Tree<'_>, scenario: &Scenario) -> Result<Choice, &'static str> {
    let wanted = scenario.engine.kind;
    let mut choice = Choice {
        kind: EngineKind::Cpu,
        devices: heapless::Vec::new(),
        crossover_bytes: scenario.engine.crossover_bytes.unwrap_or(CROSSOVER_BYTES),
    };
    // A host's kernel has drivers of its own for what is in its tree.
    if wanted == Some(EngineKind::Cpu) || (wanted.is_none() && scenario.host.is_some()) {
        return Ok(choice);
    }
    if scenario.host.is_some() {
        return Err("the DMA engines are the Linux host's");
    }
    for kind in [EngineKind::Zdma, EngineKind::Cdma] {
        if wanted.is_none_or(|it| it == kind) && choice.devices.is_empty() {
            choice.devices = tree::devices(tree, kind);
            choice.kind = kind;
        }
    }
    if cfg!(not(feature = "cdma")) && wanted == Some(EngineKind::Cdma) {
        return Err("this image has no driver for the engine that the scenario wants");
    }
    match (wanted, choice.devices.is_empty()) {
        (Some(_), true) => Err("the machine does not have the engine that the scenario wants"),
        (None, true) => {
            choice.kind = EngineKind::Cpu;
            Ok(choice)
        }
        _ => Ok(choice),
    }
}

/// A page for a channel's descriptors, for good.
fn descriptors() -> Descriptors {
    #[repr(C, align(4096))]
    struct Page([AtomicU64; Descriptors::BYTES / 8]);
    let page = Page([const { AtomicU64::new(0) }; _]);
    Descriptors::new(&Box::leak(Box::new(page)).0)
}

impl Choice {
    /// Registers that EL2's map must have, first byte and bytes of each block.
    pub(crate) fn registers(&self) -> impl Iterator<Item = (u64, u64)> {
        self.devices.iter().map(|it| it.registers)
    }

    /// Makes the engine, when EL2 runs on its own map.
    pub(crate) fn make(self) -> CoreEngine {
        // One that sees no caches is enough for all to be treated so.
        let is_coherent = self.devices.iter().all(|it| it.is_coherent);
        let settings = Settings::new(is_coherent);
        let blocks = self.devices.iter().map(|it| {
            let (base, len_bytes) = it.registers;
            // SAFETY: 1. `registers` had it mapped. 2. The device tree says so; the choice is made
            // once, and a host is not given what is used here.
            Block(unsafe { RegisterBlock::at(base as usize, len_bytes as usize) })
        });
        if self.devices.is_empty() {
            let none = Zdma::new([], Core::this(), settings);
            return CoreEngine::new(Dma::Zdma(none), CoreEngine::NEVER);
        }
        defmt::info!(
            "engine {=str}: {=usize} channels, {=str}, for requests of {=u32} bytes and more",
            self.kind.name(),
            self.devices.len(),
            if is_coherent {
                "coherent"
            } else {
                "not coherent: caches are maintained"
            },
            self.crossover_bytes
        );
        let dma = match self.kind {
            #[cfg(feature = "cdma")]
            EngineKind::Cdma => {
                let builds = self.devices.iter().map(|it| it.build);
                let cores = blocks.zip(builds);
                let cores = cores.map(|(it, build)| CdmaChannel::new(it, descriptors(), build));
                Dma::Cdma(Cdma::new(cores, Core::this(), settings))
            }
            _ => {
                let channels = blocks.map(|it| {
                    let (form, completion) = (Form::Linear, Completion::Poll);
                    ZdmaChannel::new(it, descriptors(), form, is_coherent, completion)
                });
                Dma::Zdma(Zdma::new(channels, Core::this(), settings))
            }
        };
        CoreEngine::new(dma, self.crossover_bytes)
    }
}

/// Says what the engine moved.
pub(crate) fn report(engine: &CoreEngine) {
    let (jobs, bytes) = engine.dma().moved();
    if jobs > 0 {
        let name = engine.dma().name();
        defmt::info!(
            "engine {=str} moved {=u64} bytes in {=u64} jobs",
            name,
            bytes,
            jobs
        );
    }
}

/// Has requests of `crossover_bytes` and more go to the DMA engine, for a measurement. Whether there
/// is one.
pub(crate) fn set_crossover(engine: &mut CoreEngine, crossover_bytes: u32) -> bool {
    let is_there = engine.dma().in_service() > 0;
    if is_there {
        engine.set_crossover(crossover_bytes);
    }
    is_there
}
