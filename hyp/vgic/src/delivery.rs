//! From pending state to list registers and back.
//!
//! Order: what is active goes in first, because the guest's end of an interrupt that is not listed
//! would be lost (IHI 0069, 4.8, EOIcount); then what is pending, by priority, then by number.

use crate::intid::Intid;
use crate::list::{LISTS_MAX, ListRegister, ListState};

/// What to write before entering a vCPU.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refill {
    lists: heapless::Vec<ListRegister, LISTS_MAX>,
    overflow: bool,
    release: u32,
}

impl Refill {
    pub(crate) const fn new(
        lists: heapless::Vec<ListRegister, LISTS_MAX>,
        overflow: bool,
        release: u32,
    ) -> Self {
        Self {
            lists,
            overflow,
            release,
        }
    }

    /// The values for `ICH_LR0_EL2` and on. List registers beyond these must hold zero.
    #[must_use]
    pub fn lists(&self) -> &[ListRegister] {
        &self.lists
    }

    /// Whether more interrupts wait than there are list registers. [`Self::ich_hcr`] asks for the
    /// maintenance interrupt that brings them in.
    #[must_use]
    pub const fn overflow(&self) -> bool {
        self.overflow
    }

    /// The value for `ICH_HCR_EL2` (IHI 0069, 12.4.7): En, and with an overflow NPIE, which fires
    /// when the guest has acknowledged every listed interrupt. When nothing listed is pending NPIE
    /// would fire for ever; then the end of a listed interrupt (its EOI bit) makes room.
    #[must_use]
    pub fn ich_hcr(&self) -> u64 {
        const EN: u64 = 1 << 0;
        const NPIE: u64 = 1 << 3;
        let pending = |list: &ListRegister| list.state() == ListState::Pending;
        if self.overflow && self.lists.iter().any(pending) {
            EN | NPIE
        } else {
            EN
        }
    }

    /// Physical private interrupts of this core that EL2 deactivates now (`ICC_DIR_EL1`), because
    /// the guest gave them up without ending them: a bit per INTID.
    #[must_use]
    pub const fn release(&self) -> u32 {
        self.release
    }
}

/// What is in a vCPU's list registers: which interrupt in which, and what was written. The list
/// registers are read back for their state alone; whose they are is known here.
#[derive(Clone, Debug)]
pub(crate) struct Listed(heapless::Vec<(Intid, ListRegister), LISTS_MAX>);

impl Listed {
    pub(crate) const fn new() -> Self {
        Self(heapless::Vec::new())
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Notes a list register. There are never more than fit: the caller has picked that many.
    pub(crate) fn push(&mut self, intid: Intid, list: ListRegister) {
        let pushed = self.0.push((intid, list));
        assert!(
            pushed.is_ok(),
            "as many are picked as there are list registers"
        );
    }

    /// Takes everything out, with the states in `read_back`; where that is too short, the vCPU has
    /// not run and the states are those that were written.
    pub(crate) fn take(
        &mut self,
        read_back: &[u64],
    ) -> heapless::Vec<(Intid, ListState), LISTS_MAX> {
        let listed = core::mem::take(&mut self.0);
        listed
            .into_iter()
            .enumerate()
            .map(|(index, (intid, written))| {
                let list = read_back
                    .get(index)
                    .map_or(written, |bits| ListRegister::from_bits(*bits));
                (intid, list.state())
            })
            .collect()
    }
}

/// The most urgent of the interrupts that want a list register.
#[derive(Debug)]
pub(crate) struct Pick {
    chosen: heapless::Vec<(Urgency, Intid), LISTS_MAX>,
    room: usize,
    overflow: bool,
}

/// Ascending: the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Urgency {
    pub(crate) inactive: bool,
    pub(crate) priority: u8,
}

impl Pick {
    /// Room for `room` interrupts, and never more than [`LISTS_MAX`].
    pub(crate) fn new(room: usize) -> Self {
        Self {
            chosen: heapless::Vec::new(),
            room: room.min(LISTS_MAX),
            overflow: false,
        }
    }

    /// Considers one interrupt.
    pub(crate) fn offer(&mut self, urgency: Urgency, intid: Intid) {
        let candidate = (urgency, intid);
        let at = self.chosen.partition_point(|other| *other < candidate);
        if self.chosen.len() == self.room {
            self.overflow = true;
            if at == self.room {
                return;
            }
            self.chosen.pop();
        }
        let inserted = self.chosen.insert(at, candidate);
        assert!(inserted.is_ok(), "there is room, or room was made");
    }

    /// The interrupts chosen, most urgent first, and whether others were left out.
    pub(crate) fn finish(self) -> (impl Iterator<Item = Intid>, bool) {
        let chosen = self.chosen.into_iter().map(|(_, intid)| intid);
        (chosen, self.overflow)
    }
}
