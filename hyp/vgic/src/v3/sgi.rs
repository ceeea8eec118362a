//! Interrupts that one vCPU sends to others: a write to `ICC_SGI1R_EL1`, which traps.
//!
//! Decoding only; `VirtualGic::send_sgi` raises them.

use crate::intid::{Intid, VcpuSet};
use bitfield_struct::bitfield;

/// Which register was written, and so which group the interrupt must be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SgiGroup {
    /// `ICC_SGI0R_EL1`.
    Zero,
    /// `ICC_SGI1R_EL1`. With one security state `ICC_ASGI1R_EL1` raises nothing.
    One,
}

/// `ICC_SGI1R_EL1`, IHI 0069, 12.2.24.
#[bitfield(u64)]
struct Request {
    /// TargetList: Aff0 values, offset by 16 × RS.
    targets: u16,
    /// Aff1.
    affinity_1: u8,
    /// INTID, 0 to 15.
    #[bits(4)]
    intid: u8,
    #[bits(4)]
    __: u8,
    /// Aff2.
    affinity_2: u8,
    /// IRM: to all but the sender.
    all_others: bool,
    #[bits(3)]
    __: u8,
    /// RS, the range selector.
    #[bits(4)]
    range: u8,
    /// Aff3.
    affinity_3: u8,
    __: u8,
}

/// The interrupt and the vCPUs that a write of `value` by vCPU `from` of `vcpus` addresses.
pub(crate) fn decode(value: u64, from: usize, vcpus: usize) -> Option<(Intid, VcpuSet)> {
    let request = Request::from_bits(value);
    let intid = Intid::new(request.intid().into())?;
    let all = VcpuSet::first(vcpus);
    if request.all_others() {
        return Some((intid, all.without(from)));
    }
    // vCPUs have Aff3.Aff2.Aff1 = 0 and Aff0 below 8.
    let cluster = [
        request.affinity_1(),
        request.affinity_2(),
        request.affinity_3(),
    ];
    let here = cluster == [0; 3] && request.range() == 0;
    let targets = VcpuSet::from_bits((request.targets() & 0xFF) as u8);
    here.then_some((intid, targets.intersection(all)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_decoded_as_the_manual_says() {
        let sgi = |number| Intid::new(number).unwrap();
        let cases = [
            ("to vCPU 1", 0x0500_0002, Some((sgi(5), VcpuSet::of(1)))),
            ("to itself too", 0x0100_0001, Some((sgi(1), VcpuSet::of(0)))),
            (
                "to nobody there",
                0x0100_FFF0,
                Some((sgi(1), VcpuSet::EMPTY)),
            ),
            (
                "to all others",
                0x100_0F00_0000,
                Some((sgi(15), VcpuSet::from_bits(0b1110))),
            ),
            ("to another cluster", 0x0101_0001, None),
            ("to Aff2 = 1", 0x1_0000_0001, None),
            ("to Aff3 = 1", 1 << 48 | 1, None),
            ("to Aff0 from 16", 1 << 44 | 1, None),
        ];
        for (what, value, expected) in cases {
            assert_eq!(decode(value, 0, 4), expected, "{what}");
        }
    }
}
