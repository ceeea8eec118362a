//! List registers of a GICv3: 64 bits, `ICH_LR<n>_EL2`.
//!
//! The encoding only; which interrupt goes into one is decided in `delivery.rs`.

use crate::list::{ListState, Listing};
use bitfield_struct::bitfield;

/// `ICH_LR<n>_EL2`, IHI 0069, 12.4.2.
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct ListRegister {
    /// vINTID: what the guest reads when it acknowledges.
    pub virtual_intid: u32,
    /// pINTID when `hardware`: the physical interrupt that the guest's deactivation deactivates.
    /// Otherwise bit 9 of it, bit 41 of the register, is EOI: see [`Self::with_eoi`].
    #[bits(13)]
    pub physical_intid: u16,
    #[bits(3)]
    __: u8,
    /// Priority; lower is more urgent.
    pub priority: u8,
    #[bits(4)]
    __: u8,
    /// Group 1 (an IRQ) or 0 (an FIQ).
    pub group_1: bool,
    /// HW: linked to a physical interrupt.
    pub hardware: bool,
    /// State.
    #[bits(2)]
    pub state: ListState,
}

impl ListRegister {
    /// EOI, bit 41: ask for a maintenance interrupt when the guest ends this interrupt. Only for
    /// interrupts without a physical one.
    const EOI: u16 = 1 << (41 - 32);

    /// The register with the EOI bit set or clear.
    #[must_use]
    pub const fn with_eoi(self, eoi: bool) -> Self {
        self.with_physical_intid(if eoi { Self::EOI } else { 0 })
    }

    pub(crate) const fn of(listing: Listing) -> Self {
        let list = Self::new()
            .with_virtual_intid(listing.intid)
            .with_priority(listing.priority)
            .with_group_1(listing.group_1)
            .with_state(listing.state);
        if listing.hardware {
            // Private interrupts have the same number here and there, below 32.
            list.with_hardware(true)
                .with_physical_intid(listing.intid as u16)
        } else {
            list.with_eoi(listing.eoi)
        }
    }

    /// Whether the end of this interrupt asks for maintenance.
    #[must_use]
    pub const fn eoi(self) -> bool {
        !self.hardware() && self.physical_intid() & Self::EOI != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_lie_where_the_manual_puts_them() {
        let timer = ListRegister::new()
            .with_virtual_intid(27)
            .with_physical_intid(27)
            .with_priority(0xA0)
            .with_group_1(true)
            .with_hardware(true)
            .with_state(ListState::Pending);
        assert_eq!(timer.into_bits(), 0x70A0_001B_0000_001B);
        let completion = ListRegister::new()
            .with_virtual_intid(48)
            .with_priority(0x80)
            .with_group_1(true)
            .with_eoi(true)
            .with_state(ListState::PendingAndActive);
        assert_eq!(completion.into_bits(), 0xD080_0200_0000_0030);
        assert!(completion.eoi() && !timer.eoi());
    }
}
