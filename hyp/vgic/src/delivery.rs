//! From pending state to list registers and back.
//!
//! Order: what is active goes in first, because the guest's end of an interrupt that is not listed
//! would be lost (IHI 0069, 4.8, EOIcount); then what is pending, by priority, then by number.

use crate::intid::Intid;
use crate::list::{LISTS_MAX, ListState, Listing};
use crate::version::Version;

/// What to write before entering a vCPU.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refill {
    lists: heapless::Vec<u64, LISTS_MAX>,
    /// One of them is to be acknowledged.
    pending: bool,
    overflow: bool,
    release: u32,
}

impl Refill {
    pub(crate) const fn new(overflow: bool, release: u32) -> Self {
        Self {
            lists: heapless::Vec::new(),
            pending: false,
            overflow,
            release,
        }
    }

    /// Adds a list register. There are never more than fit: the caller has picked that many.
    pub(crate) fn push<V: Version>(&mut self, listing: Listing) {
        self.pending |= listing.state == ListState::Pending;
        let pushed = self.lists.push(V::encode(listing));
        assert!(
            pushed.is_ok(),
            "as many are picked as there are list registers"
        );
    }

    /// The values for `ICH_LR0_EL2` and on, or for `GICH_LR0` and on, which have 32 bits. List
    /// registers beyond these must hold zero.
    #[must_use]
    pub fn lists(&self) -> &[u64] {
        &self.lists
    }

    /// Whether more interrupts wait than there are list registers. [`Self::control`] asks for the
    /// maintenance interrupt that brings them in.
    #[must_use]
    pub const fn overflow(&self) -> bool {
        self.overflow
    }

    /// The value for `ICH_HCR_EL2` (IHI 0069, 12.4.7) or `GICH_HCR` (IHI 0048B, 5.3.1), whose bits
    /// these are alike: En, and with an overflow NPIE, which fires when the guest has acknowledged
    /// every listed interrupt. When nothing listed is pending NPIE would fire for ever; then the end
    /// of a listed interrupt (its EOI bit) makes room.
    #[must_use]
    pub const fn control(&self) -> u32 {
        const EN: u32 = 1 << 0;
        const NPIE: u32 = 1 << 3;
        if self.overflow && self.pending {
            EN | NPIE
        } else {
            EN
        }
    }

    /// Physical private interrupts of this core that EL2 deactivates now (`ICC_DIR_EL1`, `GICC_DIR`), because
    /// the guest gave them up without ending them: a bit per INTID.
    #[must_use]
    pub const fn release(&self) -> u32 {
        self.release
    }
}

/// What is in a vCPU's list registers: which interrupt in which, and what was written. The list
/// registers are read back for their state alone; whose they are is known here.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listed(heapless::Vec<(Intid, ListState), LISTS_MAX>);

impl Listed {
    pub(crate) const fn new() -> Self {
        Self(heapless::Vec::new())
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Notes a list register. There are never more than fit: the caller has picked that many.
    pub(crate) fn push(&mut self, intid: Intid, state: ListState) {
        let pushed = self.0.push((intid, state));
        assert!(
            pushed.is_ok(),
            "as many are picked as there are list registers"
        );
    }

    /// Everything with the states in `read_back`; where that is too short, the vCPU has not run and
    /// the states are those that were written.
    pub(crate) fn states<V: Version>(
        &self,
        read_back: &[u64],
    ) -> impl Iterator<Item = (Intid, ListState)> {
        let read_back = read_back.iter().map(|list| Some(V::state(*list)));
        let read_back = read_back.chain(core::iter::repeat(None));
        self.0
            .iter()
            .zip(read_back)
            .map(|((intid, written), state)| (*intid, state.unwrap_or(*written)))
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
