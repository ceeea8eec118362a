//! The virtual CPU interface of one vCPU: what hardware does with list registers while a guest runs.
//!
//! IHI 0069, 4.2 and 12.4: acknowledge takes the most urgent pending list register, end of
//! interrupt deactivates, and a maintenance condition is read off the list registers. What is
//! active is preempted only by what is more urgent. Priority masks and binary points are left out.

use unimux_vgic::{ListRegister, ListState, Refill, VirtualGic};

/// List registers of a Cortex-A53.
pub(crate) const LISTS: usize = 4;

/// One vCPU's list registers and the physical interrupts that they deactivate.
#[derive(Debug, Default)]
pub(crate) struct Cpu {
    lists: [u64; LISTS],
    ich_hcr: u64,
    /// The ends of physical interrupts: by the guest through HW, or released at a refill.
    pub(crate) deactivated: Vec<u32>,
    ended: bool,
    running: Vec<u8>,
}

impl Cpu {
    /// An exit and an entry, with the GIC told of both.
    pub(crate) fn exit_and_enter(&mut self, gic: &mut VirtualGic, vcpu: usize) -> Refill {
        let _ = gic.retire(vcpu, &self.lists);
        self.enter(gic, vcpu)
    }

    /// Entry alone.
    pub(crate) fn enter(&mut self, gic: &mut VirtualGic, vcpu: usize) -> Refill {
        let refill = gic.refill(vcpu, LISTS);
        self.lists = [0; LISTS];
        for (list, value) in self.lists.iter_mut().zip(refill.lists()) {
            *list = value.into_bits();
        }
        self.ich_hcr = refill.ich_hcr();
        self.ended = false;
        self.deactivated
            .extend((0..32).filter(|intid| refill.release() >> intid & 1 != 0));
        refill
    }

    /// What the list registers hold.
    pub(crate) fn lists(&self) -> &[u64] {
        &self.lists
    }

    /// ICC_IAR1_EL1: the most urgent pending interrupt, made active.
    pub(crate) fn acknowledge(&mut self) -> Option<u32> {
        let running = self.running_priority();
        let list = self
            .lists
            .iter_mut()
            .filter(|list| ListRegister::from_bits(**list).state().is_pending())
            .min_by_key(|list| ListRegister::from_bits(**list).priority())?;
        let value = ListRegister::from_bits(*list);
        if value.priority() >= running {
            return None;
        }
        *list = value.with_state(ListState::Active).into_bits();
        self.running.push(value.priority());
        Some(value.virtual_intid())
    }

    /// ICC_RPR_EL1: the most urgent priority that is being handled. The core keeps it in its active
    /// priority registers, so it does not depend on what is listed.
    fn running_priority(&self) -> u8 {
        self.running.last().copied().unwrap_or(0xFF)
    }

    /// ICC_EOIR1_EL1 with EOImode 0: of the interrupt acknowledged last.
    pub(crate) fn end(&mut self, intid: u32) {
        self.running.pop();
        let mut lists = self.lists.iter_mut();
        let list = lists
            .find(|list| {
                let value = ListRegister::from_bits(**list);
                value.virtual_intid() == intid && value.state().is_active()
            })
            .expect("the end of an interrupt that is not listed is lost");
        let value = ListRegister::from_bits(*list);
        let state = ListState::new(value.state().is_pending(), false);
        *list = value.with_state(state).into_bits();
        if value.hardware() {
            self.deactivated.push(value.physical_intid().into());
        } else if value.eoi() && state == ListState::Inactive {
            self.ended = true;
        }
    }

    /// Whether the maintenance interrupt is asserted (IHI 0069, 12.4.9, ICH_MISR_EL2).
    pub(crate) fn wants_maintenance(&self) -> bool {
        const NPIE: u64 = 1 << 3;
        let pending = |list: &u64| ListRegister::from_bits(*list).state() == ListState::Pending;
        self.ended || self.ich_hcr & NPIE != 0 && !self.lists.iter().any(pending)
    }

    /// Handles interrupts as a guest does until none is left, with exits for maintenance only.
    /// Returns what was acknowledged, in order.
    pub(crate) fn drain(&mut self, gic: &mut VirtualGic, vcpu: usize) -> Vec<u32> {
        let mut handled = Vec::new();
        loop {
            if let Some(intid) = self.acknowledge() {
                handled.push(intid);
                self.end(intid);
            } else if !self.wants_maintenance() {
                return handled;
            }
            if self.wants_maintenance() {
                self.exit_and_enter(gic, vcpu);
            }
            assert!(handled.len() < 10_000, "an interrupt that never ends");
        }
    }
}
