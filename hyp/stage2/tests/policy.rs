//! A policy refuses every contradiction by name, and says exactly what it takes to build it.

use proptest::prelude::*;
use unimux_memory::{Ipa, Pa};
use unimux_stage2::{
    Access, Attributes, Kind, MAX_REGIONS, Memory, PAGE_BYTES, Policy, PolicyError,
};

const RAM: Attributes = Attributes::RAM;
const GIB: u64 = 1 << 30;

fn ipa(value: u64) -> Ipa {
    Ipa::new(value)
}

fn pa(value: u64) -> Pa {
    Pa::new(value)
}

/// A policy with RAM at 1 GiB for 64 MiB and an emulated page at 0x0900_0000.
fn base() -> Policy {
    Policy::new()
        .map(ipa(GIB), pa(0x5000_0000), 64 << 20, RAM)
        .expect("disjoint")
        .emulate(ipa(0x0900_0000), PAGE_BYTES)
        .expect("disjoint")
}

#[test]
fn every_contradiction_is_refused_by_name() {
    use PolicyError as E;
    let end = 1_u64 << 39;
    let device_code = Attributes {
        execute: true,
        ..Attributes::DOORBELL
    };
    let cases = [
        ("no bytes", ipa(0), pa(0), 0, RAM, E::Empty { ipa: ipa(0) }),
        (
            "half a page",
            ipa(0),
            pa(0),
            0x800,
            RAM,
            E::LengthMisaligned {
                ipa: ipa(0),
                len_bytes: 0x800,
            },
        ),
        (
            "an IPA off its page",
            ipa(0x10),
            pa(0),
            0x1000,
            RAM,
            E::IpaMisaligned { ipa: ipa(0x10) },
        ),
        (
            "a PA off its page",
            ipa(0),
            pa(0x8),
            0x1000,
            RAM,
            E::PaMisaligned { pa: pa(0x8) },
        ),
        (
            "an IPA range that wraps",
            ipa(!0xFFF),
            pa(0),
            0x2000,
            RAM,
            E::Wraps {
                ipa: ipa(!0xFFF),
                len_bytes: 0x2000,
            },
        ),
        (
            "one page beyond 39 bits",
            ipa(end - 0x1000),
            pa(0),
            0x2000,
            RAM,
            E::BeyondIpa {
                ipa: ipa(end - 0x1000),
                len_bytes: 0x2000,
            },
        ),
        (
            "a PA range that wraps",
            ipa(0),
            pa(!0xFFF),
            0x1000,
            RAM,
            E::BeyondPa {
                pa: pa(!0xFFF),
                len_bytes: 0x1000,
            },
        ),
        (
            "one page beyond 40 bits",
            ipa(0),
            pa((1 << 40) - 0x1000),
            0x2000,
            RAM,
            E::BeyondPa {
                pa: pa((1 << 40) - 0x1000),
                len_bytes: 0x2000,
            },
        ),
        (
            "an executable device",
            ipa(0),
            pa(0),
            0x1000,
            device_code,
            E::ExecutableDevice { ipa: ipa(0) },
        ),
        (
            "the last page of another range",
            ipa(GIB + (64 << 20) - 0x1000),
            pa(0),
            0x1000,
            RAM,
            E::Overlaps {
                ipa: ipa(GIB + (64 << 20) - 0x1000),
                len_bytes: 0x1000,
                with: ipa(GIB),
            },
        ),
        (
            "a range that swallows another",
            ipa(0x0800_0000),
            pa(0),
            0x0200_0000,
            RAM,
            E::Overlaps {
                ipa: ipa(0x0800_0000),
                len_bytes: 0x0200_0000,
                with: ipa(0x0900_0000),
            },
        ),
        (
            "RAM once more as a device",
            ipa(0x0A00_0000),
            pa(0x5000_1000),
            0x1000,
            Attributes::DOORBELL,
            E::MismatchedAlias {
                pa: pa(0x5000_1000),
                with: ipa(GIB),
            },
        ),
    ];
    for (what, ipa, pa, len_bytes, attributes, expected) in cases {
        let refused = base().map(ipa, pa, len_bytes, attributes).unwrap_err();
        assert_eq!(refused, expected, "{what}");
    }
}

#[test]
fn ranges_may_touch() {
    base()
        .map(ipa(GIB + (64 << 20)), pa(0), 0x1000, RAM)
        .unwrap()
        .map(ipa(GIB - 0x1000), pa(0x1000), 0x1000, RAM)
        .unwrap()
        .map(ipa((1 << 39) - GIB), pa((1 << 40) - GIB), GIB, RAM)
        .unwrap();
}

#[test]
fn the_same_memory_may_be_seen_twice_with_one_type() {
    let read_only = Attributes {
        access: Access::ReadOnly,
        ..RAM
    };
    base()
        .map(ipa(0), pa(0x5000_0000), 0x1000, read_only)
        .unwrap();
}

#[test]
fn a_full_policy_says_so() {
    let mut policy = Policy::new();
    for page in 0..MAX_REGIONS as u64 {
        policy = policy
            .emulate(ipa(page * 2 * PAGE_BYTES), PAGE_BYTES)
            .unwrap();
    }
    let refused = policy.emulate(ipa(GIB), PAGE_BYTES);
    assert_eq!(refused.unwrap_err(), PolicyError::TooManyRegions);
}

#[test]
fn frames_are_counted_by_hand() {
    type Ranges<'a> = &'a [(Ipa, Pa, u64)];
    let page = |at| (ipa(at), pa(0x1000), PAGE_BYTES);
    let cases: &[(&str, Ranges<'_>, usize)] = &[
        ("nothing but the root", &[], 1),
        ("a page takes two tables", &[page(0)], 3),
        (
            "a second page of the same 2 MiB none",
            &[page(0), page(0x1F_F000)],
            3,
        ),
        ("of the next 2 MiB one", &[page(0), page(0x20_0000)], 4),
        ("of the next GiB two", &[page(0), page(GIB)], 5),
        (
            "a block takes one table",
            &[(ipa(0x20_0000), pa(0x40_0000), 0x20_0000)],
            2,
        ),
        (
            "and two if it lies askew",
            &[(ipa(0x20_0000), pa(0x40_1000), 0x20_0000)],
            3,
        ),
        ("a GiB takes none", &[(ipa(GIB), pa(2 * GIB), GIB)], 1),
        (
            "a GiB askew by 2 MiB one",
            &[(ipa(GIB), pa(2 * GIB + (2 << 20)), GIB)],
            2,
        ),
    ];
    for (what, ranges, expected) in cases {
        let policy = ranges.iter().fold(Policy::new(), |policy, (ipa, pa, len)| {
            policy.map(*ipa, *pa, *len, RAM).unwrap()
        });
        assert_eq!(policy.frames_needed(), *expected, "{what}");
    }
}

#[test]
fn guests_that_share_writable_memory_conflict() {
    let guest = |at, access| {
        Policy::new()
            .map(ipa(GIB), pa(at), 0x20_0000, Attributes { access, ..RAM })
            .unwrap()
    };
    let rw = Access::ReadWrite;
    let ro = Access::ReadOnly;
    let cases = [
        ("disjoint", guest(0, rw), guest(0x20_0000, rw), false),
        ("the same", guest(0, rw), guest(0, rw), true),
        ("by one page", guest(0, rw), guest(0x1F_F000, rw), true),
        ("one only reads", guest(0, rw), guest(0, ro), true),
        ("both only read", guest(0, ro), guest(0, ro), false),
    ];
    for (what, a, b, expected) in cases {
        assert_eq!(a.conflict_with(&b).is_some(), expected, "{what}");
        assert_eq!(
            b.conflict_with(&a).is_some(),
            expected,
            "{what}, turned round"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever numbers come in: no panic, and what is accepted keeps the list in order.
    #[test]
    fn a_policy_stays_sorted_and_disjoint(
        ranges in prop::collection::vec((any::<u64>(), any::<u64>(), any::<u64>(), any::<[bool; 3]>()), 0..40),
    ) {
        let mut policy = Policy::new();
        for (ipa, pa, len_bytes, [tame, device, emulated]) in ranges {
            let (ipa, pa, len_bytes) = if tame {
                ((ipa % (1 << 39)) & !0xFFF, (pa % (1 << 39)) & !0xFFF, (len_bytes % (1 << 34)) & !0xFFF)
            } else {
                (ipa, pa, len_bytes)
            };
            let attributes = Attributes {
                memory: if device { Memory::DeviceNgnre } else { Memory::NormalWriteBack },
                access: Access::ReadWrite,
                execute: !device,
            };
            let grown = if emulated {
                policy.clone().emulate(Ipa::new(ipa), len_bytes)
            } else {
                policy.clone().map(Ipa::new(ipa), Pa::new(pa), len_bytes, attributes)
            };
            if let Ok(grown) = grown {
                prop_assert_eq!(grown.regions().len(), policy.regions().len() + 1);
                policy = grown;
            }
        }
        for pair in policy.regions().windows(2) {
            prop_assert!(pair[0].end() <= pair[1].ipa);
        }
        for region in policy.regions() {
            prop_assert_eq!(policy.lookup(region.ipa), Some(region));
            let last = Ipa::new(region.end().get() - 1);
            prop_assert_eq!(policy.lookup(last), Some(region));
            prop_assert!(policy.lookup(region.end()) != Some(region));
        }
        let mapped = policy.regions().iter().filter(|region| region.kind != Kind::Emulated);
        prop_assert_eq!(policy.physical_ranges().count(), mapped.count());
    }
}
