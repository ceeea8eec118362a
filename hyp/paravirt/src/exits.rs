//! Exits of a guest's vCPUs to EL2, counted by reason where the guest can read them.
//!
//! The counter page is normal memory, read-only for the guest, so reading it does not exit. Counts
//! are exact for the vCPU that reads its own, since EL2 adds on that vCPU's core.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::map::VCPUS_MAX;

/// Why a vCPU left EL1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum ExitReason {
    /// Access to the emulated PL011.
    Console,
    /// Access to the emulated GIC distributor.
    Distributor,
    /// Access to an emulated GIC redistributor.
    Redistributor,
    /// Access to the configuration space of the PCI bus.
    Pci,
    /// Write of an ICC_SGI*R register: an interrupt to another vCPU.
    Sgi,
    /// Another trapped system register.
    SystemRegister,
    /// PSCI or another standard SMCCC call, by HVC or SMC.
    Psci,
    /// A hypercall of [`crate::hypercall`].
    Hypercall,
    /// A call that nobody knows.
    UnknownCall,
    /// The virtual timer fired.
    Timer,
    /// The engine core sent word: a completion interrupt, or a request to stop.
    Engine,
    /// Another vCPU of the guest sent word: an interrupt, or a power request.
    Peer,
    /// The GIC asked for list registers to be refilled.
    Maintenance,
    /// Another physical interrupt.
    Interrupt,
    /// A data access outside the map.
    DataFault,
    /// An instruction fetch outside the map.
    FetchFault,
    /// Any other exception that came to EL2.
    Other,
    /// On a shared core: the EL2 timer. A turn ended, or another vCPU's virtual timer fired.
    Turn,
    /// On a shared core: WFI, or WFE while another vCPU wants to run.
    Wait,
}

impl ExitReason {
    /// Number of reasons.
    pub const COUNT: usize = 19;

    /// All reasons, in the order of the counters.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Console,
        Self::Distributor,
        Self::Redistributor,
        Self::Pci,
        Self::Sgi,
        Self::SystemRegister,
        Self::Psci,
        Self::Hypercall,
        Self::UnknownCall,
        Self::Timer,
        Self::Engine,
        Self::Peer,
        Self::Maintenance,
        Self::Interrupt,
        Self::DataFault,
        Self::FetchFault,
        Self::Other,
        Self::Turn,
        Self::Wait,
    ];

    /// Whether it is an interrupt of the core, which on a shared one may be for another vCPU.
    pub const fn is_interrupt(self) -> bool {
        matches!(
            self,
            Self::Timer
                | Self::Engine
                | Self::Peer
                | Self::Maintenance
                | Self::Interrupt
                | Self::Turn
        )
    }

    /// A short name for tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Console => "console",
            Self::Distributor => "gicd",
            Self::Redistributor => "gicr",
            Self::Pci => "pci",
            Self::Sgi => "sgi",
            Self::SystemRegister => "sysreg",
            Self::Psci => "psci",
            Self::Hypercall => "hypercall",
            Self::UnknownCall => "unknown-call",
            Self::Timer => "timer",
            Self::Engine => "engine",
            Self::Peer => "peer",
            Self::Maintenance => "maintenance",
            Self::Interrupt => "interrupt",
            Self::DataFault => "data-fault",
            Self::FetchFault => "fetch-fault",
            Self::Other => "other",
            Self::Turn => "turn",
            Self::Wait => "wait",
        }
    }
}

/// Counters of one vCPU: 512 bytes, so that no two vCPUs share a cache line.
#[derive(Debug)]
#[repr(C, align(512))]
pub struct VcpuExits {
    by_reason: [AtomicU64; ExitReason::COUNT],
}

impl VcpuExits {
    const fn new() -> Self {
        Self {
            by_reason: [const { AtomicU64::new(0) }; ExitReason::COUNT],
        }
    }
}

/// The counter page of a guest at [`crate::map::COUNTERS_BASE`]: a block per vCPU, and in it one
/// `u64` per [`ExitReason`] in its order.
#[derive(Debug)]
#[repr(C, align(4096))]
pub struct ExitCounters {
    vcpus: [VcpuExits; VCPUS_MAX],
}

const _: () = {
    assert!(size_of::<VcpuExits>() == 512);
    assert!(size_of::<ExitCounters>() == 4096);
    assert!(core::mem::offset_of!(ExitCounters, vcpus) == 0);
};

impl ExitCounters {
    /// All counts zero.
    pub const fn new() -> Self {
        Self {
            vcpus: [const { VcpuExits::new() }; VCPUS_MAX],
        }
    }

    /// Counts one exit of `vcpu`. A load and a store, no exclusive: only the vCPU's own core
    /// counts.
    ///
    /// # Panics
    /// If there is no such vCPU.
    pub fn count(&self, vcpu: usize, reason: ExitReason) {
        let counter = &self.vcpus[vcpu].by_reason[reason as usize];
        counter.store(counter.load(Relaxed).wrapping_add(1), Relaxed);
    }

    /// Exits of `vcpu` for `reason`.
    ///
    /// # Panics
    /// If there is no such vCPU.
    pub fn of_vcpu(&self, vcpu: usize, reason: ExitReason) -> u64 {
        self.vcpus[vcpu].by_reason[reason as usize].load(Relaxed)
    }

    /// Exits of all vCPUs for `reason`.
    pub fn of_guest(&self, reason: ExitReason) -> u64 {
        self.vcpus
            .iter()
            .map(|vcpu| vcpu.by_reason[reason as usize].load(Relaxed))
            .sum()
    }

    /// Exits of all vCPUs for all reasons.
    pub fn all(&self) -> u64 {
        ExitReason::ALL
            .into_iter()
            .map(|it| self.of_guest(it))
            .sum()
    }

    /// Sets every count to zero, for a guest that is started again.
    pub fn clear(&self) {
        for counter in self.vcpus.iter().flat_map(|vcpu| &vcpu.by_reason) {
            counter.store(0, Relaxed);
        }
    }
}

impl Default for ExitCounters {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_counter() {
        let counters = ExitCounters::new();
        for (index, reason) in ExitReason::ALL.into_iter().enumerate() {
            assert_eq!(index, reason as usize);
            for _ in 0..=index {
                counters.count(index % VCPUS_MAX, reason);
            }
        }
        for (index, reason) in ExitReason::ALL.into_iter().enumerate() {
            assert_eq!(
                counters.of_vcpu(index % VCPUS_MAX, reason),
                index as u64 + 1
            );
            assert_eq!(counters.of_guest(reason), index as u64 + 1);
        }
        let sum = (1..=ExitReason::COUNT as u64).sum::<u64>();
        assert_eq!(counters.all(), sum);
        counters.clear();
        assert!(
            ExitReason::ALL
                .into_iter()
                .all(|reason| counters.of_guest(reason) == 0)
        );
    }
}
