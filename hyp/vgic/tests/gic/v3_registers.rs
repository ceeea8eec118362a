//! A GICv3's registers as a guest's driver meets them: what Linux and a bare-metal program do at boot.

use crate::deeds::{carry_out, deed, vcpu, width};
use proptest::prelude::*;
use unimux_vgic::{
    Intid, Line, V3, VCPUS_MAX, VcpuSet,
    v3::{Frame, REDISTRIBUTOR_BYTES, SgiGroup},
};

type VirtualGic = unimux_vgic::VirtualGic<V3>;

use Frame::{Distributor as D, Redistributors as R};

const SGI_BASE: u64 = 0x1_0000;

fn word(gic: &VirtualGic, frame: Frame, offset: u64) -> u64 {
    gic.read(frame, offset, 4)
}

#[test]
fn identification_is_a_gicv3_with_96_interrupts() {
    let gic = VirtualGic::new(2);
    let cases = [
        ("GICD_CTLR: ARE and DS are one", D, 0x0000, 0x0000_0050),
        (
            "GICD_TYPER: 96 INTIDs, 10 bits, no 1-of-N",
            D,
            0x0004,
            0x0248_0002,
        ),
        ("GICD_TYPER2", D, 0x000C, 0),
        ("GICD_PIDR2: GICv3", D, 0xFFE8, 0x30),
        ("GICR_CTLR", R, 0x0000, 0),
        ("GICR_TYPER of vCPU 0", R, 0x0008, 0),
        ("GICR_WAKER: asleep", R, 0x0014, 0b110),
        ("GICR_PIDR2", R, 0xFFE8, 0x30),
        (
            "GICR_ICFGR0: SGIs are edges",
            R,
            SGI_BASE + 0xC00,
            0xAAAA_AAAA,
        ),
        ("GICR_ICFGR1: PPIs are levels", R, SGI_BASE + 0xC04, 0),
        (
            "GICR_TYPER of vCPU 1: Last, number 1",
            R,
            REDISTRIBUTOR_BYTES + 0x8,
            0x110,
        ),
        ("its affinity", R, REDISTRIBUTOR_BYTES + 0xC, 1),
        (
            "beyond the last redistributor",
            R,
            2 * REDISTRIBUTOR_BYTES + 0xFFE8,
            0,
        ),
    ];
    for (what, frame, offset, expected) in cases {
        assert_eq!(word(&gic, frame, offset), expected, "{what}");
    }
    assert_eq!(gic.read(R, REDISTRIBUTOR_BYTES + 8, 8), 0x1_0000_0110);
}

#[test]
fn what_is_written_is_read_as_the_manual_says() {
    let mut gic = VirtualGic::new(1);
    // (what, frame, write at, width, value, read at, width, expected)
    let cases = [
        (
            "GICD_CTLR keeps the group enables",
            D,
            0x0,
            4,
            0xFFFF_FFFF,
            0x0,
            4,
            0x53,
        ),
        ("ISENABLER1", D, 0x104, 4, 0xFF, 0x104, 4, 0xFF),
        (
            "ICENABLER1 clears what ISENABLER1 set",
            D,
            0x184,
            4,
            0x0F,
            0x104,
            4,
            0xF0,
        ),
        ("ISPENDR2", D, 0x208, 4, 1 << 31, 0x288, 4, 1 << 31),
        ("ICPENDR2", D, 0x288, 4, 1 << 31, 0x208, 4, 0),
        ("ISACTIVER1", D, 0x304, 4, 2, 0x384, 4, 2),
        ("ICACTIVER1", D, 0x384, 4, 2, 0x304, 4, 0),
        (
            "IPRIORITYR has five bits",
            D,
            0x430,
            4,
            0xFFA7_8001,
            0x430,
            4,
            0xF8A0_8000,
        ),
        ("and bytes", D, 0x431, 1, 0x58, 0x430, 4, 0xF8A0_5800),
        ("but no halfwords", D, 0x432, 2, 0, 0x432, 2, 0),
        (
            "which are not written either",
            D,
            0x430,
            4,
            0x8,
            0x430,
            4,
            0x8,
        ),
        (
            "ICFGR3 keeps bit 1 of each pair",
            D,
            0xC0C,
            4,
            0xFFFF_FFFF,
            0xC0C,
            4,
            0xAAAA_AAAA,
        ),
        (
            "IROUTER48 keeps affinity only",
            D,
            0x6180,
            8,
            u64::MAX,
            0x6180,
            8,
            0xFF_00FF_FFFF,
        ),
        ("and has halves", D, 0x6184, 4, 0, 0x6180, 8, 0xFF_FFFF),
        (
            "IGROUPR0 of the distributor is reserved",
            D,
            0x080,
            4,
            5,
            0x080,
            4,
            0,
        ),
        (
            "INTIDs beyond 95 do not exist",
            D,
            0x10C,
            4,
            0xFF,
            0x10C,
            4,
            0,
        ),
        ("nor their routes", D, 0x6300, 8, 1, 0x6300, 8, 0),
        ("misaligned is ignored", D, 0x106, 4, 0xFF, 0x104, 4, 0xF0),
        ("TYPER is read-only", D, 0x004, 4, 0, 0x004, 4, 0x0248_0002),
        ("WAKER wakes", R, 0x14, 4, 0, 0x14, 4, 0),
        ("IGROUPR0", R, SGI_BASE + 0x80, 4, 7, SGI_BASE + 0x80, 4, 7),
        (
            "ISENABLER0",
            R,
            SGI_BASE + 0x100,
            4,
            1 << 27,
            SGI_BASE + 0x180,
            4,
            1 << 27,
        ),
        (
            "IPRIORITYR6, a byte",
            R,
            SGI_BASE + 0x41B,
            1,
            0xA0,
            SGI_BASE + 0x418,
            4,
            0xA000_0000,
        ),
        (
            "ICFGR0 is read-only",
            R,
            SGI_BASE + 0xC00,
            4,
            0,
            SGI_BASE + 0xC00,
            4,
            0xAAAA_AAAA,
        ),
        (
            "ICFGR1 too",
            R,
            SGI_BASE + 0xC04,
            4,
            u64::MAX,
            SGI_BASE + 0xC04,
            4,
            0,
        ),
        (
            "an eight-byte store to words is ignored",
            R,
            SGI_BASE + 0x100,
            8,
            0,
            SGI_BASE + 0x100,
            4,
            1 << 27,
        ),
        ("PROPBASER does not exist", R, 0x70, 8, u64::MAX, 0x70, 8, 0),
    ];
    for (what, frame, at, width, value, read_at, read_width, expected) in cases {
        let _ = gic.write(frame, at, width, value);
        assert_eq!(gic.read(frame, read_at, read_width), expected, "{what}");
    }
}

#[test]
fn reset_forgets_all_but_the_number_of_vcpus() {
    let mut gic = VirtualGic::new(3);
    let fresh = format!("{gic:?}");
    let _ = gic.write(D, 0x0, 4, 3);
    let _ = gic.write(D, 0x104, 4, 0xFFFF_FFFF);
    let _ = gic.write(R, SGI_BASE + 0x100, 4, 0xFFFF_FFFF);
    let _ = gic.pulse(Line::Shared(Intid::new(48).unwrap()));
    let _ = gic.send_sgi(0, SgiGroup::One, 1);
    let _ = gic.refill(0, 4);
    gic.reset();
    assert_eq!(format!("{gic:?}"), fresh);
}

#[test]
fn a_completion_routed_to_nobody_waits() {
    let mut gic = VirtualGic::new(2);
    let _ = gic.write(D, 0x0, 4, 0b10);
    let _ = gic.write(D, 0x104, 4, 1 << 16);
    for nowhere in [2, 0x100, 0x1_0000, 1 << 32, 0xFF_00FF_FFFF] {
        let _ = gic.write(D, 0x6000 + 8 * 48, 8, nowhere);
        let wake = gic.pulse(Line::Shared(Intid::new(48).unwrap()));
        assert!(wake.is_empty(), "{nowhere:#x}");
    }
    assert_eq!(gic.write(D, 0x6000 + 8 * 48, 8, 1), VcpuSet::of(1));
}

#[test]
fn an_sgi_is_of_the_group_that_it_is_sent_as() {
    let mut gic = VirtualGic::new(3);
    let _ = gic.write(D, 0x0, 4, 0b11);
    for vcpu in 0..3 {
        let _ = gic.write(R, vcpu * REDISTRIBUTOR_BYTES + SGI_BASE + 0x100, 4, 0xFFFF);
    }
    // A group 0 request raises nothing in group 1.
    assert!(gic.send_sgi(0, SgiGroup::Zero, 5 << 24 | 0b101).is_empty());
    let wake = gic.send_sgi(0, SgiGroup::One, 1 << 40 | 1 << 24);
    assert_eq!(wake, VcpuSet::of(1).union(VcpuSet::of(2)));
}

/// What a guest can do to a register: in the redistributors or not, where, how wide; or an SGI.
#[derive(Clone, Debug)]
enum Access {
    Read(bool, u64, usize),
    Write(bool, u64, usize, u64),
    Sgi(usize, bool, u64),
}

fn access() -> impl Strategy<Value = Access> {
    // Offsets: anywhere, or near the registers.
    let offset = prop_oneof![
        any::<u64>(),
        0..0x1000_u64,
        0x6000..0x6400_u64,
        0..0x6_0000_u64,
        (0..4_u64, 0..0x400_u64)
            .prop_map(|(vcpu, word)| vcpu * REDISTRIBUTOR_BYTES + SGI_BASE + word * 4)
    ];
    let place = (any::<bool>(), offset, width());
    prop_oneof![
        place.clone().prop_map(|(f, o, w)| Access::Read(f, o, w)),
        (place, any::<u64>()).prop_map(|((f, o, w), value)| Access::Write(f, o, w, value)),
        (vcpu(), any::<bool>(), any::<u64>()).prop_map(|(v, g, value)| Access::Sgi(v, g, value)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    /// Nothing a guest writes, and nothing list registers could read back, panics.
    #[test]
    fn no_deed_panics(
        vcpus in 1..=VCPUS_MAX,
        deeds in prop::collection::vec(deed(3, access()), 0..200),
    ) {
        let frame = |redistributor| if redistributor { R } else { D };
        carry_out::<V3, _>(vcpus, deeds, |gic, access| {
            match access {
                Access::Read(f, offset, width) => {
                    let value = gic.read(frame(f), offset, width);
                    prop_assert!(width >= 8 || value >> (8 * width) == 0);
                }
                Access::Write(f, offset, width, value) => {
                    let wake = gic.write(frame(f), offset, width, value);
                    prop_assert!(wake.iter().all(|vcpu| vcpu < vcpus));
                }
                Access::Sgi(from, one, value) => {
                    let group = if one { SgiGroup::One } else { SgiGroup::Zero };
                    let wake = gic.send_sgi(from, group, value);
                    prop_assert!(wake.iter().all(|vcpu| vcpu < vcpus));
                }
            }
            Ok(())
        })?;
    }
}
