//! Who has sent a vCPU its SGIs: on a GICv2 each is pending once per sender.
//!
//! A list register holds one sender's (IHI 0048B, 5.3.8: CPUID), and an interrupt may be in one list
//! register only. So senders take turns, the lowest first, and an SGI that is active is not listed as
//! pending too, because that would be another sender's, or another one of the same: its end is asked
//! for instead.
//!
//! **Invariant.** An SGI's latch in the bank is set while a sender's is pending here.

use crate::bank::Bank;
use crate::intid::{Intid, VcpuSet};
use crate::list::{ListState, Listing};

/// SGIs of a vCPU: INTID 0 to 15.
pub(crate) const SGIS: usize = 16;

/// The senders of one vCPU's SGIs.
#[derive(Clone, Debug)]
pub struct Senders {
    /// By SGI: vCPUs whose SGI waits here.
    waiting: [VcpuSet; SGIS],
    /// By SGI: whose is listed or active.
    current: [u8; SGIS],
}

impl Senders {
    pub(super) const fn new() -> Self {
        Self {
            waiting: [VcpuSet::EMPTY; SGIS],
            current: [0; SGIS],
        }
    }

    /// SGI `sgi` of these senders is pending; the caller pulses it.
    pub(super) fn add(&mut self, sgi: usize, senders: VcpuSet) {
        self.waiting[sgi] = self.waiting[sgi].union(senders);
    }

    /// SGI `sgi` of these senders is not pending any more. True if a list register says otherwise.
    pub(super) fn remove(&mut self, bank: &mut Bank, sgi: usize, senders: VcpuSet) -> bool {
        self.waiting[sgi] = self.waiting[sgi].minus(senders);
        if self.waiting[sgi].is_empty() {
            bank.unlatch(1 << sgi);
        }
        senders.contains(self.current[sgi].into()) && bank.withdraw(1 << sgi)
    }

    /// The senders whose SGI `sgi` is pending, wherever that state is.
    pub(super) fn of(&self, bank: &Bank, sgi: usize) -> VcpuSet {
        if bank.is_moved(1 << sgi) {
            self.waiting[sgi].union(VcpuSet::of(self.current[sgi].into()))
        } else {
            self.waiting[sgi]
        }
    }

    /// Puts SGI `intid` into a list register.
    pub(super) fn list(
        &mut self,
        bank: &mut Bank,
        intid: Intid,
        groups: u8,
        eager: bool,
    ) -> Listing {
        let sgi = intid.in_bank();
        let active = bank.active() & intid.bit() != 0;
        if !active && let Some(next) = self.waiting[sgi].iter().next() {
            self.current[sgi] = next as u8;
            self.waiting[sgi] = self.waiting[sgi].without(next);
        }
        let more = !self.waiting[sgi].is_empty();
        let listing = bank.list_as(sgi, intid.get(), groups, eager || more, false);
        if more {
            bank.pulse(intid.bit());
        }
        Listing {
            sender: self.current[sgi],
            ..listing
        }
    }

    /// Takes SGI `intid` back out.
    pub(super) fn unlist(&mut self, bank: &mut Bank, intid: Intid, state: ListState) {
        let sgi = intid.in_bank();
        if state.is_pending() && bank.is_moved(intid.bit()) {
            let sender = VcpuSet::of(self.current[sgi].into());
            self.waiting[sgi] = self.waiting[sgi].union(sender);
        }
        bank.unlist(sgi, state);
    }
}
