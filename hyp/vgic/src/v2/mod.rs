//! GICv2: a distributor whose lower part each vCPU has its own of, and a CPU interface by memory.
//!
//! The CPU interface is the hardware's virtual one, GICV, which stage 2 maps; here is the
//! distributor. Source: *Arm Generic Interrupt Controller Architecture Specification, version 2.0*,
//! IHI 0048B; chapters 4.3 (GICD) and 5.3 (GICH).

mod distributor;
mod list;
mod senders;

use crate::bank::Bank;
use crate::intid::{Intid, VcpuSet};
use crate::list::{ListState, Listing};
use crate::version::{Sealed, Version};

pub use list::ListRegister;
use senders::{SGIS, Senders};

/// GICv2, without Security Extensions.
#[derive(Clone, Copy, Debug)]
pub struct V2;

impl Version for V2 {}

impl Sealed for V2 {
    /// GICD_ITARGETSR: the vCPUs that may take it.
    type Route = VcpuSet;
    type Own = Senders;

    /// 4.3.4.
    const GROUPS: u32 = 0;
    const ENABLED: u32 = (1 << SGIS) - 1;

    /// Any of them may take it, and the lowest does.
    fn target(targets: VcpuSet) -> Option<usize> {
        targets.iter().next()
    }

    /// The only vCPU has no choice (4.3.12); of several, none until the guest says so.
    fn route_at_reset(vcpus: usize) -> VcpuSet {
        if vcpus == 1 {
            VcpuSet::of(0)
        } else {
            VcpuSet::EMPTY
        }
    }

    fn own_at_reset(_: usize, _: usize) -> Senders {
        Senders::new()
    }

    fn list(
        senders: &mut Senders,
        bank: &mut Bank,
        intid: Intid,
        groups: u8,
        eager: bool,
    ) -> Listing {
        if intid.get() < SGIS as u32 {
            senders.list(bank, intid, groups, eager)
        } else {
            bank.list(intid.in_bank(), intid.get(), groups, eager)
        }
    }

    fn unlist(senders: &mut Senders, bank: &mut Bank, intid: Intid, state: ListState) {
        if intid.get() < SGIS as u32 {
            senders.unlist(bank, intid, state);
        } else {
            bank.unlist(intid.in_bank(), state);
        }
    }

    fn encode(listing: Listing) -> u64 {
        ListRegister::of(listing).into_bits().into()
    }

    fn state(list: u64) -> ListState {
        ListRegister::from_bits(list as u32).state()
    }
}
