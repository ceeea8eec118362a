//! The distributor: what is shared by all vCPUs of a guest.
//!
//! Its state and its rules; how a guest reads and writes it is each version's own.

use crate::bank::Bank;
use crate::intid::{Intid, SPIS, VCPUS_MAX};
use crate::registers::{self, BankRegister};
use crate::version::Version;

/// The shared interrupts.
#[derive(Clone, Debug)]
pub(crate) struct Distributor<V: Version> {
    /// The enabled groups: bit 0 for group 0, bit 1 for group 1.
    pub(crate) groups: u8,
    pub(crate) banks: [Bank; SPIS / 32],
    pub(crate) routes: [V::Route; SPIS],
    /// The vCPU that has the interrupt listed or has acknowledged it. It stays there until its
    /// end, whatever its route says by then.
    owners: [Option<u8>; SPIS],
}

impl<V: Version> Distributor<V> {
    /// After reset, of a guest with `vcpus` vCPUs.
    pub(crate) fn new(vcpus: usize) -> Self {
        Self {
            groups: 0,
            banks: core::array::from_fn(|_| Bank::shared(V::GROUPS)),
            routes: [V::route_at_reset(vcpus); SPIS],
            owners: [None; SPIS],
        }
    }

    pub(crate) fn bank(&self, bank: usize) -> Option<&Bank> {
        self.banks.get(bank)
    }

    pub(crate) fn bank_mut(&mut self, bank: usize) -> Option<&mut Bank> {
        self.banks.get_mut(bank)
    }

    /// The vCPU that a shared interrupt goes to: its owner, else where its route points. `None` if
    /// that is no possible vCPU; the interrupt then waits.
    pub(crate) fn target(&self, intid: Intid) -> Option<usize> {
        let index = intid.shared_index()?;
        let routed = || V::target(self.routes[index]);
        self.owners[index]
            .map_or_else(routed, |owner| Some(owner.into()))
            .filter(|vcpu| *vcpu < VCPUS_MAX)
    }

    /// The shared interrupts that want to be listed on `vcpu`.
    pub(crate) fn wanting(&self, vcpu: usize) -> impl Iterator<Item = Intid> + '_ {
        self.of(vcpu, Bank::wanting)
    }

    /// Whether `vcpu` has a shared interrupt to take.
    pub(crate) fn due(&self, vcpu: usize) -> bool {
        self.of(vcpu, Bank::due).next().is_some()
    }

    /// The shared interrupts of each bank's `mask` that go to `vcpu`.
    fn of(&self, vcpu: usize, mask: fn(&Bank, u8) -> u32) -> impl Iterator<Item = Intid> + '_ {
        let groups = self.groups;
        self.banks
            .iter()
            .enumerate()
            .flat_map(move |(bank, state)| Intid::of_mask(bank + 1, mask(state, groups)))
            .filter(move |intid| self.target(*intid) == Some(vcpu))
    }

    /// Notes that `vcpu` has a shared interrupt listed.
    pub(crate) fn own(&mut self, intid: Intid, vcpu: usize) {
        if let Some(index) = intid.shared_index() {
            self.owners[index] = u8::try_from(vcpu).ok();
        }
    }

    /// Frees shared interrupts that are neither listed nor active from their owner.
    pub(crate) fn disown_idle(&mut self) {
        for (index, owner) in self.owners.iter_mut().enumerate() {
            let bank = &self.banks[index / 32];
            if (bank.listed() | bank.active()) >> (index % 32) & 1 == 0 {
                *owner = None;
            }
        }
    }

    /// A load of four bytes from a register of a bank; zero where there is none. Bank 0, of private
    /// interrupts, is elsewhere.
    pub(crate) fn read_shared(&self, offset: u64) -> u32 {
        self.shared(offset)
            .map_or(0, |(bank, register)| self.banks[bank].read(register))
    }

    /// A store of four bytes. Returns the listed interrupts that it affects: bank and bits.
    pub(crate) fn write_shared(&mut self, offset: u64, value: u32) -> (usize, u32) {
        self.shared(offset).map_or((0, 0), |(bank, register)| {
            (bank, self.banks[bank].write(register, value))
        })
    }

    /// The bank and register at `offset`, for banks that exist.
    fn shared(&self, offset: u64) -> Option<(usize, BankRegister)> {
        let (bank, register) = registers::decode(offset)?;
        let bank = bank.checked_sub(1)?;
        (bank < self.banks.len()).then_some((bank, register))
    }
}
