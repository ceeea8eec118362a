//! The virtual CPU interface of one vCPU: what hardware does with list registers while a guest runs.
//!
//! IHI 0069, 4.2 and 12.4, and IHI 0048B, 5.2 and 5.3: acknowledge takes the most urgent pending list
//! register, end of interrupt deactivates, and a maintenance condition is read off the list
//! registers. What is active is preempted only by what is more urgent. What the manuals call
//! unpredictable fails the test. Priority masks and binary points are left out.

use std::collections::BTreeSet;

use unimux_vgic::{ListState, Refill, VirtualGic};

use super::{Entry, Machine};

/// List registers of a Cortex-A53, and of a GIC-400.
pub(crate) const LISTS: usize = 4;

/// One vCPU's list registers and the physical interrupts that they deactivate.
#[derive(Debug, Default)]
pub(crate) struct Cpu {
    lists: [u64; LISTS],
    control: u32,
    /// The ends of physical interrupts: by the guest through HW, or released at a refill.
    pub(crate) deactivated: Vec<u32>,
    ended: bool,
    running: Vec<u8>,
}

impl Cpu {
    /// An exit and an entry, with the GIC told of both.
    pub(crate) fn exit_and_enter<V: Machine>(
        &mut self,
        gic: &mut VirtualGic<V>,
        vcpu: usize,
    ) -> Refill {
        let _ = gic.retire(vcpu, &self.lists);
        self.enter(gic, vcpu)
    }

    /// Entry alone.
    pub(crate) fn enter<V: Machine>(&mut self, gic: &mut VirtualGic<V>, vcpu: usize) -> Refill {
        let refill = gic.refill(vcpu, LISTS);
        self.lists = [0; LISTS];
        self.lists[..refill.lists().len()].copy_from_slice(refill.lists());
        self.control = refill.control();
        self.ended = false;
        self.deactivated
            .extend((0..32).filter(|intid| refill.release() >> intid & 1 != 0));
        check::<V>(refill.lists());
        refill
    }

    /// What the list registers hold.
    pub(crate) fn lists(&self) -> &[u64] {
        &self.lists
    }

    /// What list register `index` holds.
    pub(crate) fn entry<V: Machine>(&self, index: usize) -> Entry {
        V::entry(self.lists[index])
    }

    /// ICC_IAR1_EL1 or GICV_IAR: the most urgent pending interrupt, made active.
    pub(crate) fn acknowledge<V: Machine>(&mut self) -> Option<u32> {
        let running = self.running_priority();
        let list = self
            .lists
            .iter_mut()
            .filter(|list| V::entry(**list).state.is_pending())
            .min_by_key(|list| V::entry(**list).priority)?;
        let value = V::entry(*list);
        if value.priority >= running {
            return None;
        }
        *list = V::with_state(*list, ListState::Active);
        self.running.push(value.priority);
        Some(value.intid | value.sender << 10)
    }

    /// ICC_RPR_EL1, GICV_RPR: the most urgent priority that is being handled. The core keeps it in
    /// its active priority registers, so it does not depend on what is listed.
    fn running_priority(&self) -> u8 {
        self.running.last().copied().unwrap_or(0xFF)
    }

    /// ICC_EOIR1_EL1 or GICV_EOIR with EOImode 0: of the interrupt acknowledged last, by what was
    /// acknowledged.
    pub(crate) fn end<V: Machine>(&mut self, acknowledged: u32) {
        self.running.pop();
        let mut lists = self.lists.iter_mut();
        let list = lists
            .find(|list| {
                let value = V::entry(**list);
                value.intid | value.sender << 10 == acknowledged && value.state.is_active()
            })
            .expect("the end of an interrupt that is not listed is lost");
        let value = V::entry(*list);
        let state = ListState::new(value.state.is_pending(), false);
        *list = V::with_state(*list, state);
        if let Some(physical) = value.physical {
            self.deactivated.push(physical);
        } else if value.eoi && state == ListState::Inactive {
            self.ended = true;
        }
    }

    /// Whether the maintenance interrupt is asserted (IHI 0069, 12.4.9, ICH_MISR_EL2; IHI 0048B,
    /// 5.3.4, GICH_MISR).
    pub(crate) fn wants_maintenance<V: Machine>(&self) -> bool {
        const NPIE: u32 = 1 << 3;
        let pending = |list: &u64| V::entry(*list).state == ListState::Pending;
        self.ended || self.control & NPIE != 0 && !self.lists.iter().any(pending)
    }

    /// Handles interrupts as a guest does until none is left, with exits for maintenance only.
    /// Returns what was acknowledged, in order.
    pub(crate) fn drain<V: Machine>(&mut self, gic: &mut VirtualGic<V>, vcpu: usize) -> Vec<u32> {
        let mut handled = Vec::new();
        loop {
            if let Some(acknowledged) = self.acknowledge::<V>() {
                handled.push(acknowledged);
                self.end::<V>(acknowledged);
            } else if !self.wants_maintenance::<V>() {
                return handled;
            }
            if self.wants_maintenance::<V>() {
                self.exit_and_enter(gic, vcpu);
            }
            assert!(handled.len() < 10_000, "an interrupt that never ends");
        }
    }
}

/// What both manuals demand of list registers.
fn check<V: Machine>(lists: &[u64]) {
    let mut numbers = BTreeSet::new();
    for list in lists {
        let entry = V::entry(*list);
        assert_ne!(entry.state, ListState::Inactive, "it lists nothing");
        assert!(
            numbers.insert(entry.intid),
            "{} is listed twice",
            entry.intid
        );
        assert!(entry.intid < 16 || entry.sender == 0, "only SGIs are sent");
        let both = entry.state == ListState::PendingAndActive;
        assert!(!both || entry.physical.is_none(), "hardware: not both");
    }
}
