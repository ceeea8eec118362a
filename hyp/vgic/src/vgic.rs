//! The virtual GIC as the EL2 crate uses it, of either version.
//!
//! Wiring only: registers are each version's own, the states of an interrupt are in `bank.rs`, the
//! choice of list registers in `delivery.rs`.

use crate::bank::Bank;
use crate::delivery::{Pick, Refill, Urgency};
use crate::distributor::Distributor;
use crate::intid::{Intid, VCPUS_MAX, VcpuSet};
use crate::private::Private;
use crate::version::Version;

/// An interrupt input of the guest's GIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// An SGI or PPI of one vCPU.
    Private {
        /// Whose.
        vcpu: usize,
        /// Which, below 32.
        intid: Intid,
    },
    /// An SPI.
    Shared(Intid),
}

/// The virtual GIC of one guest.
#[derive(Clone, Debug)]
pub struct VirtualGic<V: Version> {
    pub(crate) distributor: Distributor<V>,
    pub(crate) privates: heapless::Vec<Private<V>, VCPUS_MAX>,
}

impl<V: Version> VirtualGic<V> {
    /// A GIC after reset, for a guest of `vcpus` vCPUs.
    ///
    /// # Panics
    /// If `vcpus` is not 1 to [`VCPUS_MAX`]: the scenario was checked before.
    #[must_use]
    pub fn new(vcpus: usize) -> Self {
        assert!(matches!(vcpus, 1..=VCPUS_MAX), "1 to 8 vCPUs");
        Self {
            distributor: Distributor::new(vcpus),
            privates: (0..vcpus).map(|vcpu| Private::new(vcpu, vcpus)).collect(),
        }
    }

    /// How many vCPUs the guest has.
    #[must_use]
    pub fn vcpus(&self) -> usize {
        self.privates.len()
    }

    /// Back to reset, for a guest that is started again. No vCPU may be running, and what their
    /// list registers hold is forgotten. A physical interrupt that the dead guest left active
    /// comes out of the next [`Self::refill`] of its vCPU, see [`Refill::release`].
    pub fn reset(&mut self) {
        let vcpus = self.vcpus();
        self.distributor = Distributor::new(vcpus);
        for (vcpu, private) in self.privates.iter_mut().enumerate() {
            private.reset(vcpu, vcpus);
        }
    }

    /// An edge on an interrupt: it is pending until the guest acknowledges it, whether the guest
    /// has configured it as edge or level. Returns the vCPU to wake, if it can be delivered.
    ///
    /// Edges that meet before a refill are one. An edge that meets a listed one is kept by itself:
    /// only the vCPU's core knows whether the listed one was acknowledged before or after. So a
    /// handler runs after every edge, and at most once for each.
    pub fn pulse(&mut self, line: Line) -> VcpuSet {
        self.change(line, Bank::pulse)
    }

    /// The wire of an emulated device goes to `level`. A level-sensitive interrupt is delivered
    /// again and again while it is high; an edge-triggered one once when it rises.
    pub fn assert(&mut self, line: Line, level: bool) -> VcpuSet {
        self.change(line, |bank, bit| bank.assert(bit, level))
    }

    /// A physical private interrupt that EL2 has acknowledged on the vCPU's core and dropped the
    /// priority of (`ICC_EOIR1_EL1` with EOImode 1) goes to the guest. It stays active there, so
    /// it cannot fire again, until the guest ends the virtual one: the list register links the two
    /// (HW = 1). This is how the virtual timer's PPI 27 gets in.
    pub fn forward(&mut self, vcpu: usize, intid: Intid) -> VcpuSet {
        if !intid.is_private() {
            return VcpuSet::EMPTY;
        }
        self.change(Line::Private { vcpu, intid }, Bank::forward)
    }

    /// Chooses what goes into the vCPU's list registers, of which the core has `room`. Last thing
    /// before entry, on the vCPU's own core.
    pub fn refill(&mut self, vcpu: usize, room: usize) -> Refill {
        // Whatever is still listed was written and never run with.
        let _ = self.retire(vcpu, &[]);
        let groups = self.distributor.groups;
        let Some(private) = self.privates.get_mut(vcpu) else {
            return Refill::default();
        };
        let release = private.bank.take_orphans();

        let mut pick = Pick::new(room);
        for intid in Intid::of_mask(0, private.bank.wanting(groups)) {
            pick.offer(urgency(&private.bank, intid), intid);
        }
        for intid in self.distributor.wanting(vcpu) {
            let bank = intid
                .shared_bank()
                .and_then(|bank| self.distributor.bank(bank));
            if let Some(bank) = bank {
                pick.offer(urgency(bank, intid), intid);
            }
        }
        let (chosen, overflow) = pick.finish();

        let mut refill = Refill::new(overflow, release);
        for intid in chosen {
            let bank = match intid.shared_bank() {
                Some(bank) => self.distributor.banks.get_mut(bank),
                None => Some(&mut private.bank),
            };
            let Some(bank) = bank else { continue };
            let listing = V::list(&mut private.own, bank, intid, groups, overflow);
            self.distributor.own(intid, vcpu);
            private.listed.push(intid, listing.state);
            refill.push::<V>(listing);
        }
        refill
    }

    /// Takes the state of the listed interrupts back. `lists` are the values of the list
    /// registers as read after the exit. Returns other vCPUs to wake, to which an interrupt has moved.
    pub fn retire(&mut self, vcpu: usize, lists: &[u64]) -> VcpuSet {
        let Some(private) = self.privates.get_mut(vcpu) else {
            return VcpuSet::EMPTY;
        };
        let mut shared = false;
        let listed = core::mem::take(&mut private.listed);
        for (intid, state) in listed.states::<V>(lists) {
            let bank = match intid.shared_bank() {
                Some(bank) => {
                    shared = true;
                    self.distributor.banks.get_mut(bank)
                }
                None => Some(&mut private.bank),
            };
            if let Some(bank) = bank {
                V::unlist(&mut private.own, bank, intid, state);
            }
        }
        if !shared {
            return VcpuSet::EMPTY;
        }
        self.distributor.disown_idle();
        self.waiting().without(vcpu)
    }

    /// Whether an interrupt waits for this vCPU that is not in its list registers.
    #[must_use]
    pub fn is_waiting(&self, vcpu: usize) -> bool {
        let groups = self.distributor.groups;
        self.privates.get(vcpu).is_some_and(|private| {
            private.bank.wanting(groups) != 0 || self.distributor.wanting(vcpu).next().is_some()
        })
    }

    /// Whether the vCPU, whose list registers were retired, has an interrupt to take: what ends a WFI.
    #[must_use]
    pub fn interrupts(&self, vcpu: usize) -> bool {
        let groups = self.distributor.groups;
        self.privates
            .get(vcpu)
            .is_some_and(|private| private.bank.due(groups) != 0)
            || self.distributor.due(vcpu)
    }

    /// Whether a physical private interrupt that was forwarded to the vCPU has not been ended yet,
    /// and so is active on its core. Its list registers were retired.
    #[must_use]
    pub fn holds(&self, vcpu: usize, intid: Intid) -> bool {
        let private = self.privates.get(vcpu).filter(|_| intid.is_private());
        private.is_some_and(|private| private.bank.is_held(intid.bit()))
    }

    /// All vCPUs for which [`Self::is_waiting`].
    pub(crate) fn waiting(&self) -> VcpuSet {
        (0..self.vcpus())
            .filter(|vcpu| self.is_waiting(*vcpu))
            .fold(VcpuSet::EMPTY, |set, vcpu| set.union(VcpuSet::of(vcpu)))
    }

    /// Changes one interrupt and tells whom to wake: its vCPU, if it is listed there (the list
    /// register is stale now) or wants to be.
    pub(crate) fn change(&mut self, line: Line, change: impl FnOnce(&mut Bank, u32)) -> VcpuSet {
        let groups = self.distributor.groups;
        let (intid, bank) = match line {
            Line::Private { vcpu, intid } if intid.is_private() => {
                let private = self.privates.get_mut(vcpu);
                (intid, private.map(|private| &mut private.bank))
            }
            Line::Private { .. } => return VcpuSet::EMPTY,
            Line::Shared(intid) => {
                let bank = intid.shared_bank();
                (intid, bank.and_then(|bank| self.distributor.bank_mut(bank)))
            }
        };
        let Some(bank) = bank else {
            return VcpuSet::EMPTY;
        };
        change(bank, intid.bit());
        if (bank.listed() | bank.wanting(groups)) & intid.bit() == 0 {
            return VcpuSet::EMPTY;
        }
        let vcpu = match line {
            Line::Private { vcpu, .. } => Some(vcpu),
            Line::Shared(intid) => self.distributor.target(intid),
        };
        vcpu.filter(|vcpu| *vcpu < self.vcpus())
            .map_or(VcpuSet::EMPTY, VcpuSet::of)
    }
}

fn urgency(bank: &Bank, intid: Intid) -> Urgency {
    Urgency {
        inactive: bank.active() & intid.bit() == 0,
        priority: bank.priority(intid.in_bank()),
    }
}

/// Whether an access has a width that exists and is aligned to it.
pub(crate) fn aligned(offset: u64, len_bytes: usize) -> bool {
    matches!(len_bytes, 1 | 2 | 4 | 8) && offset.is_multiple_of(len_bytes as u64)
}
