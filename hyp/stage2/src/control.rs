//! The values of the two registers that put tables to use, and the VMID in one of them.
//!
//! Values only: the EL2 crate writes them, in the order and with the barriers they need.

use crate::geometry::{IPA_BITS, PA_BITS, PAGE_BYTES};
use bitfield_struct::bitfield;
use core::num::NonZeroU8;
use unimux_memory::Pa;

/// `VTCR_EL2`, DDI 0487 D24.2 (Virtualization Translation Control Register), the fields in use.
#[bitfield(u64)]
struct Control {
    /// 64 minus the IPA width.
    #[bits(6)]
    t0sz: u8,
    /// Starting level: with the 4 KiB granule 0b01 is level 1.
    #[bits(2)]
    sl0: u8,
    /// Inner cacheability of walks: 0b01 is write-back, read- and write-allocate.
    #[bits(2)]
    irgn0: u8,
    /// Outer cacheability of walks.
    #[bits(2)]
    orgn0: u8,
    /// Shareability of walks: 0b11 is inner.
    #[bits(2)]
    sh0: u8,
    /// Granule: 0b00 is 4 KiB.
    #[bits(2)]
    tg0: u8,
    /// Physical address size: 0b010 is 40 bits.
    #[bits(3)]
    ps: u8,
    /// VMID size: 0 is 8 bits.
    vs: bool,
    #[bits(11)]
    __: u16,
    /// RES1.
    res1: bool,
    #[bits(32)]
    __: u32,
}

/// The value of `VTCR_EL2` for every guest: 39-bit IPA from level 1, 4 KiB granule, 40-bit PA,
/// 8-bit VMID, walks through the caches as inner-shareable write-back.
pub const VTCR_EL2: u64 = Control::new()
    .with_t0sz((64 - IPA_BITS) as u8)
    .with_sl0(0b01)
    .with_irgn0(0b01)
    .with_orgn0(0b01)
    .with_sh0(0b11)
    .with_tg0(0b00)
    .with_ps(0b010)
    .with_vs(false)
    .with_res1(true)
    .into_bits();

/// Tag of a guest's TLB entries. Zero is left to "no guest", so that a forgotten VTTBR_EL2 never
/// hits another guest's entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Vmid(NonZeroU8);

impl Vmid {
    /// The VMID `value`, or `None` for zero.
    #[must_use]
    pub const fn new(value: u8) -> Option<Self> {
        match NonZeroU8::new(value) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    /// The VMID as a number, never zero.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0.get()
    }
}

/// The value of `VTTBR_EL2`: VMID in bits 55:48, root table in 47:1, CnP clear (DDI 0487 D24.2).
///
/// # Panics
/// If `root` is not 4 KiB aligned or lies beyond [`PA_BITS`].
#[must_use]
pub const fn vttbr(root: Pa, vmid: Vmid) -> u64 {
    assert!(root.is_aligned(PAGE_BYTES) && root.get() >> PA_BITS == 0);
    (vmid.get() as u64) << 48 | root.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn register_values_are_those_worked_out_by_hand() {
        // RES1 31, PS 0b010 at 16, SH0 at 12, ORGN0 at 10, IRGN0 at 8, SL0 at 6, T0SZ 25.
        assert_eq!(VTCR_EL2, 0x8002_3559);
        let vmid = Vmid::new(7).unwrap();
        assert_eq!(vttbr(Pa::new(0x4022_5000), vmid), 0x0007_0000_4022_5000);
        assert_eq!(Vmid::new(0), None);
    }
}
