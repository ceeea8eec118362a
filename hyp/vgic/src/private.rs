//! What one vCPU has for itself: its SGIs and PPIs, and its list registers.

use crate::bank::Bank;
use crate::delivery::Listed;
use crate::version::Version;

/// One vCPU's side of the GIC.
#[derive(Clone, Debug)]
pub(crate) struct Private<V: Version> {
    pub(crate) bank: Bank,
    /// What was put into the list registers at the last refill.
    pub(crate) listed: Listed,
    /// What the version adds.
    pub(crate) own: V::Own,
}

impl<V: Version> Private<V> {
    /// That of `vcpu` of `vcpus`, after reset.
    pub(crate) fn new(vcpu: usize, vcpus: usize) -> Self {
        let mut bank = Bank::private(V::GROUPS);
        bank.enable(V::ENABLED);
        Self {
            bank,
            listed: Listed::new(),
            own: V::own_at_reset(vcpu, vcpus),
        }
    }

    /// Back to reset; physical interrupts that are held are given up at the next refill.
    pub(crate) fn reset(&mut self, vcpu: usize, vcpus: usize) {
        let fresh = Self::new(vcpu, vcpus);
        self.bank.reset(fresh.bank);
        self.listed.clear();
        self.own = fresh.own;
    }
}
