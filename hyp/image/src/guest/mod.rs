//! A partition guest: all that its cores and the engine core share about it.
//!
//! Everything is made at boot and lives for ever; afterwards only atomics and what is behind a lock
//! change. What a vCPU does alone (its registers, its list registers) is not here but on its core.

pub(crate) mod console;
pub(crate) mod lifecycle;
pub(crate) mod load;
pub(crate) mod make;
pub(crate) mod pci;
pub(crate) mod power;
pub(crate) mod tree;

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use alloc::boxed::Box;
use spin::Once;
use unimux_el2::{
    interrupts::{Controller, Sender},
    lock::Lock,
    stage2::Stage2,
};
use unimux_memory::{Ipa, Span, Windows};
use unimux_paravirt::ExitCounters;
use unimux_pci::Bus;
use unimux_scenario::OnFault;
use unimux_stage2::{FrameArray, Tables};

use self::{console::GuestConsole, lifecycle::Lifecycle, load::Program, power::VcpuPower};
use crate::{board::GIC, entropy::Generator, gic::Model};

/// A guest.
pub(crate) struct Guest {
    /// Its name in the log.
    pub(crate) name: &'static str,
    /// What it starts with.
    pub(crate) program: Program,
    /// Its memory, by IPA: what baselines and the loader may touch.
    pub(crate) windows: Windows,
    /// Its doorbell page.
    pub(crate) doorbell: Span,
    /// Its stage 2, as its cores load it.
    pub(crate) stage2: Stage2,
    /// The tables behind it.
    pub(crate) tables: Lock<Tables<FrameArray<'static>>>,
    /// Its interrupt controller.
    pub(crate) gic: Lock<Model>,
    /// Its PCI bus, with its function.
    pub(crate) pci: Lock<Bus>,
    /// Its console.
    pub(crate) console: Lock<GuestConsole>,
    /// Its exits, in the page that it reads.
    pub(crate) counters: &'static ExitCounters,
    /// Its cores, by vCPU.
    pub(crate) vcpus: Box<[VcpuPower]>,
    /// Start, stop, restart.
    pub(crate) lifecycle: Lifecycle,
    /// What to do when it faults.
    pub(crate) on_fault: OnFault,
    /// What it gets random numbers from.
    pub(crate) random: Lock<Generator>,
    /// The scenario allows baseline calls.
    pub(crate) baseline: bool,
    /// It has the PMU of its cores: with baseline calls, if it owns them.
    pub(crate) measures: bool,
    /// The engine core has raised the completion interrupt.
    pub(crate) completion: AtomicBool,
    /// The vCPU that took it last: the next one goes there at once.
    pub(crate) listener: AtomicUsize,
}

impl Guest {
    /// Raises the completion interrupt, from the engine core.
    pub(crate) fn raise_completion(&self) {
        // Release: the guest core that takes the mark sees the completion it announces.
        self.completion.store(true, Ordering::Release);
        let vcpu = self.listener.load(Ordering::Relaxed);
        GIC.send(self.vcpus[vcpu].affinity, Sender::Engine);
    }

    /// Interrupts the core of a vCPU.
    pub(crate) fn kick(&self, vcpu: usize) {
        GIC.send(self.vcpus[vcpu].affinity, Sender::Peer);
    }

    /// Interrupts the cores of all vCPUs but one.
    pub(crate) fn kick_others(&self, own: usize) {
        for vcpu in (0..self.vcpus.len()).filter(|vcpu| *vcpu != own) {
            self.kick(vcpu);
        }
    }

    /// The memory behind a range that the guest names, for a core at EL2 to touch.
    pub(crate) fn memory(&self, ipa: u64, len_bytes: u64) -> Option<Span> {
        self.windows.translate(Ipa::new(ipa), len_bytes).ok()
    }
}

/// All guests, in the scenario's order.
static GUESTS: Once<Box<[Guest]>> = Once::new();

/// Makes the guests known to all cores.
pub(crate) fn publish(guests: Box<[Guest]>) {
    GUESTS.call_once(|| guests);
}

/// All guests; none before [`publish`].
pub(crate) fn all() -> &'static [Guest] {
    GUESTS.get().map_or(&[], |guests| guests)
}
