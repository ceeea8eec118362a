//! List registers of a GICv2: 32 bits, `GICH_LR<n>`.
//!
//! The encoding only; which interrupt goes into one is decided in `delivery.rs`.

use crate::list::{ListState, Listing};
use bitfield_struct::bitfield;

/// `GICH_LR<n>`, IHI 0048B, 5.3.8.
#[bitfield(u32)]
#[derive(PartialEq, Eq)]
pub struct ListRegister {
    /// VirtualID: what the guest reads when it acknowledges.
    #[bits(10)]
    pub virtual_id: u16,
    /// PhysicalID when `hardware`: the physical interrupt that the guest's deactivation deactivates.
    /// Otherwise bits 2:0 are CPUID, the sender of an SGI, and bit 9, bit 19 of the register, is EOI.
    #[bits(10)]
    pub physical_id: u16,
    #[bits(3)]
    __: u8,
    /// The upper five bits of the priority.
    #[bits(5)]
    pub priority: u8,
    /// State.
    #[bits(2)]
    pub state: ListState,
    /// Grp1: group 1 or 0.
    pub group_1: bool,
    /// HW: linked to a physical interrupt.
    pub hardware: bool,
}

impl ListRegister {
    const EOI: u16 = 1 << (19 - 10);

    pub(crate) const fn of(listing: Listing) -> Self {
        let physical_id = if listing.hardware {
            // Private interrupts have the same number here and there, below 32.
            listing.intid as u16
        } else {
            listing.sender as u16 | if listing.eoi { Self::EOI } else { 0 }
        };
        Self::new()
            .with_virtual_id(listing.intid as u16)
            .with_physical_id(physical_id)
            .with_priority(listing.priority >> 3)
            .with_state(listing.state)
            .with_group_1(listing.group_1)
            .with_hardware(listing.hardware)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPLETION: Listing = Listing {
        intid: 48,
        sender: 0,
        priority: 0xA0,
        group_1: false,
        state: ListState::Pending,
        hardware: false,
        eoi: true,
    };

    #[test]
    fn fields_lie_where_the_manual_puts_them() {
        let timer = Listing {
            intid: 27,
            hardware: true,
            eoi: false,
            ..COMPLETION
        };
        let sgi = Listing {
            intid: 5,
            sender: 7,
            priority: 0xF8,
            group_1: true,
            state: ListState::PendingAndActive,
            ..COMPLETION
        };
        let active = Listing {
            state: ListState::Active,
            eoi: false,
            ..COMPLETION
        };
        for (listing, bits) in [
            (COMPLETION, 0x1A08_0030),
            (timer, 0x9A00_6C1B),
            (sgi, 0x7F88_1C05),
            (active, 0x2A00_0030),
        ] {
            assert_eq!(ListRegister::of(listing).into_bits(), bits, "{listing:?}");
        }
    }
}
