//! A GICv2's registers as a guest's driver meets them: what Linux and a bare-metal program do at boot.

use crate::deeds::{carry_out, deed, vcpu, width};
use crate::machine::intid;
use proptest::prelude::*;
use unimux_vgic::{Line, V2, VCPUS_MAX, VcpuSet};

type VirtualGic = unimux_vgic::VirtualGic<V2>;

/// GICD_SGIR, and of SGI 0: GICD_CPENDSGIR0, GICD_SPENDSGIR0.
pub(crate) const SGIR: u64 = 0xF00;
pub(crate) const CPENDSGIR: u64 = 0xF10;
pub(crate) const SPENDSGIR: u64 = 0xF20;

#[test]
fn identification_is_a_gicv2_with_96_interrupts() {
    let gic = VirtualGic::new(3);
    let cases = [
        ("GICD_CTLR: off", 0x000, 0),
        ("GICD_TYPER: 96 INTIDs, 3 CPUs, no security", 0x004, 0x42),
        ("GICD_ICPIDR2: GICv2", 0xFE8, 0x20),
        ("GICD_IGROUPR0: all in group 0", 0x080, 0),
        ("GICD_IGROUPR1", 0x084, 0),
        ("GICD_ISENABLER0: SGIs are enabled", 0x100, 0xFFFF),
        ("GICD_ICFGR0: SGIs are edges", 0xC00, 0xAAAA_AAAA),
        ("GICD_ICFGR1: PPIs are levels", 0xC04, 0),
        ("GICD_ITARGETSR8: SPIs go nowhere yet", 0x820, 0),
        ("GICD_PIDR2 of a GICv3 is not there", 0xFFE8, 0),
        ("nor is GICD_IROUTER32", 0x6100, 0),
    ];
    for (what, offset, expected) in cases {
        assert_eq!(gic.read(0, offset, 4), expected, "{what}");
    }
}

#[test]
fn a_vcpu_finds_its_number_in_the_targets_of_its_own_interrupts() {
    let gic = VirtualGic::new(8);
    for vcpu in 0..8 {
        for offset in (0x800..0x820).step_by(4) {
            assert_eq!(gic.read(vcpu, offset, 4), 0x0101_0101 << vcpu);
        }
    }
}

#[test]
fn the_only_vcpu_has_no_targets_and_takes_everything() {
    let mut gic = VirtualGic::new(1);
    let _ = gic.write(0, 0x830, 4, 0);
    assert_eq!((gic.read(0, 0x800, 4), gic.read(0, 0x830, 4)), (0, 0));
    let _ = gic.write(0, 0x000, 4, 1);
    let _ = gic.write(0, 0x104, 4, 1 << 16);
    assert_eq!(gic.pulse(Line::Shared(intid(48))), VcpuSet::of(0));
}

#[test]
fn what_is_written_is_read_as_the_manual_says() {
    let mut gic = VirtualGic::new(2);
    // (what, write at, width, value, read at, width, expected)
    let cases = [
        (
            "GICD_CTLR keeps the group enables",
            0x000,
            4,
            u64::MAX,
            0x000,
            4,
            3,
        ),
        ("ISENABLER1", 0x104, 4, 0xFF, 0x104, 4, 0xFF),
        ("ICENABLER1 clears them", 0x184, 4, 0x0F, 0x104, 4, 0xF0),
        ("ISENABLER0", 0x100, 4, 1 << 27, 0x180, 4, 1 << 27 | 0xFFFF),
        (
            "ICENABLER0, but for SGIs",
            0x180,
            4,
            u64::MAX,
            0x100,
            4,
            0xFFFF,
        ),
        (
            "ISPENDR0, but for SGIs",
            0x200,
            4,
            0x1_FFFF,
            0x280,
            4,
            0x1_0000,
        ),
        ("ICPENDR0", 0x280, 4, 0x1_0000, 0x200, 4, 0),
        ("ISPENDR2", 0x208, 4, 1 << 31, 0x288, 4, 1 << 31),
        ("ICPENDR2", 0x288, 4, 1 << 31, 0x208, 4, 0),
        ("ISACTIVER0", 0x300, 4, 3, 0x380, 4, 3),
        ("ICACTIVER0", 0x380, 4, 1, 0x300, 4, 2),
        ("ISACTIVER1", 0x304, 4, 2, 0x384, 4, 2),
        ("ICACTIVER1", 0x384, 4, 2, 0x304, 4, 0),
        ("IGROUPR0", 0x080, 4, 7, 0x080, 4, 7),
        (
            "IPRIORITYR12: five bits",
            0x430,
            4,
            0xFFA7_8001,
            0x430,
            4,
            0xF8A0_8000,
        ),
        ("and bytes", 0x431, 1, 0x58, 0x430, 4, 0xF8A0_5800),
        ("but no halfwords", 0x432, 2, 0, 0x432, 2, 0),
        ("nor doublewords", 0x430, 8, 0, 0x430, 4, 0xF8A0_5800),
        ("IPRIORITYR6, a byte", 0x41B, 1, 0xA0, 0x418, 4, 0xA000_0000),
        (
            "ITARGETSR12: vCPUs that exist",
            0x830,
            4,
            0xFF03_0201,
            0x830,
            4,
            0x0303_0201,
        ),
        ("and bytes", 0x831, 1, 1, 0x830, 4, 0x0303_0101),
        (
            "ITARGETSR0 is read-only",
            0x800,
            4,
            0x0202_0202,
            0x800,
            4,
            0x0101_0101,
        ),
        (
            "ICFGR3 keeps bit 1 of each pair",
            0xC0C,
            4,
            u64::MAX,
            0xC0C,
            4,
            0xAAAA_AAAA,
        ),
        ("ICFGR0 is read-only", 0xC00, 4, 0, 0xC00, 4, 0xAAAA_AAAA),
        ("INTIDs beyond 95 do not exist", 0x10C, 4, 0xFF, 0x10C, 4, 0),
        ("nor their targets", 0x860, 4, 0xFF, 0x860, 4, 0),
        ("nor their priorities", 0x460, 4, 0xFF, 0x460, 4, 0),
        ("misaligned is ignored", 0x106, 4, 0xFF, 0x104, 4, 0xF0),
        ("bytes of ISENABLER too", 0x104, 1, 0xFF, 0x104, 4, 0xF0),
        ("TYPER is read-only", 0x004, 4, 0, 0x004, 4, 0x22),
        ("SGIR is write-only", SGIR, 4, 3 << 24, SGIR, 4, 0),
        (
            "SPENDSGIR3: vCPUs that exist",
            SPENDSGIR + 12,
            4,
            0xFF,
            SPENDSGIR + 12,
            4,
            3,
        ),
        (
            "CPENDSGIR3 shows them too",
            CPENDSGIR + 12,
            4,
            1,
            CPENDSGIR + 12,
            4,
            2,
        ),
        ("and bytes", CPENDSGIR + 12, 1, 2, SPENDSGIR + 12, 1, 0),
    ];
    for (what, at, width, value, read_at, read_width, expected) in cases {
        let _ = gic.write(0, at, width, value);
        assert_eq!(gic.read(0, read_at, read_width), expected, "{what}");
    }
    assert_eq!(gic.read(1, 0x100, 4), 0xFFFF, "vCPU 1 has its own");
    assert_eq!(gic.read(1, 0x104, 4), 0xF0, "and SPIs are shared");
}

#[test]
fn reset_forgets_all_but_the_number_of_vcpus() {
    let mut gic = VirtualGic::new(3);
    let fresh = format!("{gic:?}");
    let _ = gic.write(0, 0x000, 4, 3);
    let _ = gic.write(0, 0x104, 4, 0xFFFF_FFFF);
    let _ = gic.write(1, 0x100, 4, 0xFFFF_FFFF);
    let _ = gic.write(0, 0x830, 4, u64::MAX);
    let _ = gic.pulse(Line::Shared(intid(48)));
    let _ = gic.write(0, SGIR, 4, 0x0100_0001);
    let _ = gic.write(2, SPENDSGIR, 4, u64::MAX);
    let _ = gic.refill(0, 4);
    gic.reset();
    assert_eq!(format!("{gic:?}"), fresh);
}

/// What a guest can do to a register: of which vCPU, where, how wide.
#[derive(Clone, Debug)]
enum Access {
    Read(usize, u64, usize),
    Write(usize, u64, usize, u64),
}

fn access() -> impl Strategy<Value = Access> {
    // Offsets: anywhere, or near the registers.
    let offset = prop_oneof![
        any::<u64>(),
        (0..0x400_u64).prop_map(|word| word * 4),
        0..0x1000_u64,
        0xF00..0xF30_u64,
    ];
    let place = (vcpu(), offset, width());
    prop_oneof![
        place.clone().prop_map(|(v, o, w)| Access::Read(v, o, w)),
        (place, any::<u64>()).prop_map(|((v, o, w), value)| Access::Write(v, o, w, value)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    /// Nothing a guest writes, and nothing list registers could read back, panics.
    #[test]
    fn no_deed_panics(
        vcpus in 1..=VCPUS_MAX,
        deeds in prop::collection::vec(deed(2, access()), 0..200),
    ) {
        carry_out::<V2, _>(vcpus, deeds, |gic, access| {
            match access {
                Access::Read(vcpu, offset, width) => {
                    let value = gic.read(vcpu, offset, width);
                    prop_assert!(width >= 8 || value >> (8 * width) == 0);
                }
                Access::Write(vcpu, offset, width, value) => {
                    let wake = gic.write(vcpu, offset, width, value);
                    prop_assert!(wake.iter().all(|vcpu| vcpu < vcpus));
                }
            }
            Ok(())
        })?;
    }
}
