//! What is built is what the policy says, at every boundary; what is changed leaves nothing stale.

mod walker;

use proptest::prelude::*;
use unimux_memory::{Ipa, Pa};
use unimux_stage2::{
    Access, Attributes, BLOCK_BYTES, BuildError, ChangeError, GIANT_BYTES, Kind, Level, Memory,
    PAGE_BYTES, Policy, Region, Tables, Translation, WalkFault,
};
use walker::Walker;

/// Where an address leads according to the policy: the specification that walks are held to.
fn expected(policy: &Policy, ipa: Ipa) -> Option<(Pa, Attributes)> {
    let region = policy.lookup(ipa)?;
    match region.kind {
        Kind::Mapped { pa, attributes } => {
            Some((Pa::new(pa.get() + ipa.get() - region.ipa.get()), attributes))
        }
        Kind::Emulated => None,
    }
}

fn found(tables: &Tables<&Walker>, ipa: Ipa) -> Option<(Pa, Attributes)> {
    match tables.walk(ipa) {
        Ok(Translation { pa, attributes, .. }) => Some((pa, attributes)),
        Err(WalkFault::Unmapped(_) | WalkFault::BeyondIpa) => None,
        Err(fault @ WalkFault::Malformed(_)) => panic!("{fault}"),
    }
}

/// The addresses at which a translation can change or go wrong: on both sides of every edge of
/// every region, of every block inside it, and some bytes within.
fn boundaries(policy: &Policy) -> Vec<Ipa> {
    let mut edges = vec![0, 1 << 38, 1 << 39];
    for region in policy.regions() {
        let (start, end) = (region.ipa.get(), region.end().get());
        edges.extend([start, end]);
        for size in [PAGE_BYTES, BLOCK_BYTES, GIANT_BYTES] {
            let first = start.next_multiple_of(size);
            let last = end / size * size;
            edges.extend([first, first + size, last, last.saturating_sub(size)]);
            edges.push((start + end) / 2 / size * size);
        }
    }
    let around = |edge: u64| {
        [
            edge.wrapping_sub(PAGE_BYTES),
            edge.wrapping_sub(1),
            edge,
            edge + 0x7F8,
        ]
    };
    edges.into_iter().flat_map(around).map(Ipa::new).collect()
}

fn attributes() -> impl Strategy<Value = Attributes> {
    (0..3, any::<bool>(), any::<bool>()).prop_map(|(memory, write, execute)| {
        let memory = match memory {
            0 => Memory::NormalWriteBack,
            1 => Memory::NormalNonCacheable,
            _ => Memory::DeviceNgnre,
        };
        Attributes {
            memory,
            access: if write {
                Access::ReadWrite
            } else {
                Access::ReadOnly
            },
            execute: execute && memory != Memory::DeviceNgnre,
        }
    })
}

/// Attributes of one memory type, so that no two mappings of the same memory can disagree.
fn write_back() -> impl Strategy<Value = Attributes> {
    attributes().prop_map(|attributes| Attributes {
        memory: Memory::NormalWriteBack,
        ..attributes
    })
}

/// Ranges near one another, so that they share tables, at addresses that are aligned to pages,
/// blocks or gigabytes. Physical addresses are sometimes off that alignment by the next smaller
/// size; by no less, or a range would be millions of pages.
fn range() -> impl Strategy<Value = (Ipa, Pa, u64)> {
    let sizes = [
        (PAGE_BYTES, 0),
        (BLOCK_BYTES, PAGE_BYTES),
        (GIANT_BYTES, BLOCK_BYTES),
    ];
    let size = prop::sample::select(sizes.to_vec());
    let shape = (
        size,
        0..6_u64,
        0..3_u64,
        1..3_u64,
        prop::sample::select(vec![0, 0, 3, 515]),
    );
    (shape, any::<bool>()).prop_map(
        |(((size, smaller), unit, page, count, extra_pages), skewed)| {
            let ipa = unit * size + page * PAGE_BYTES;
            let len_bytes =
                extra_pages * PAGE_BYTES + if page == 0 { count * size } else { PAGE_BYTES };
            let skew = if skewed { smaller } else { 0 };
            (Ipa::new(ipa), Pa::new((8 << 30) + ipa + skew), len_bytes)
        },
    )
}

fn policy(attributes: impl Strategy<Value = Attributes>) -> impl Strategy<Value = Policy> {
    prop::collection::vec((range(), attributes, 0..5), 0..10).prop_map(|ranges| {
        ranges.into_iter().fold(
            Policy::new(),
            |policy, ((ipa, pa, len), attributes, kind)| {
                let grown = if kind == 0 {
                    policy.clone().emulate(ipa, len)
                } else {
                    policy.clone().map(ipa, pa, len, attributes)
                };
                grown.unwrap_or(policy)
            },
        )
    })
}

fn build<'w>(policy: &Policy, walker: &'w Walker) -> Tables<&'w Walker> {
    let tables = Tables::build(policy, walker).expect("a valid policy");
    walker.go_live();
    tables
}

/// A guest as Unimux makes it: RAM in blocks, a doorbell page and a counter page.
fn guest() -> Policy {
    Policy::new()
        .map(
            Ipa::new(0x4000_0000),
            Pa::new(0x5000_0000),
            64 << 20,
            Attributes::RAM,
        )
        .expect("a valid policy")
        .map(
            Ipa::new(0x0A00_0000),
            Pa::new(0x4800_0000),
            0x1000,
            Attributes::DOORBELL,
        )
        .expect("a valid policy")
        .map(
            Ipa::new(0x0A00_1000),
            Pa::new(0x4800_1000),
            0x1000,
            Attributes::READ_ONLY_PAGE,
        )
        .expect("a valid policy")
        .emulate(Ipa::new(0x0800_0000), 0x1_0000)
        .expect("a valid policy")
}

#[test]
fn a_guest_gets_blocks_for_ram_and_pages_for_its_doorbell() {
    let policy = guest();
    let walker = Walker::new(policy.frames_needed());
    let tables = build(&policy, &walker);
    let ram = tables.walk(Ipa::new(0x4123_4567)).unwrap();
    assert_eq!(ram.pa, Pa::new(0x5123_4567));
    assert_eq!(ram.level, Level::Two);
    let doorbell = tables.walk(Ipa::new(0x0A00_0008)).unwrap();
    assert_eq!(doorbell.pa, Pa::new(0x4800_0008));
    assert_eq!(doorbell.attributes, Attributes::DOORBELL);
    assert_eq!(doorbell.level, Level::Three);
    let beyond = [
        (0x0A00_2000, WalkFault::Unmapped(Level::Three)),
        (0x0800_0000, WalkFault::Unmapped(Level::Two)),
        (0x4400_0000, WalkFault::Unmapped(Level::Two)),
        (0x8000_0000, WalkFault::Unmapped(Level::One)),
        (0x80_0000_0000, WalkFault::BeyondIpa),
        (u64::MAX, WalkFault::BeyondIpa),
    ];
    for (ipa, fault) in beyond {
        assert_eq!(tables.walk(Ipa::new(ipa)), Err(fault), "{ipa:#x}");
    }
}

#[test]
fn too_few_frames_are_refused_before_anything_is_written() {
    let policy = guest();
    let walker = Walker::new(3);
    let refused = Tables::build(&policy, &walker).unwrap_err();
    assert_eq!(refused, BuildError::OutOfFrames { needed: 4, have: 3 });
}

#[test]
fn a_doorbell_is_taken_away_with_one_invalidation_and_comes_back_with_none() {
    let policy = guest();
    let walker = Walker::new(policy.frames_needed());
    let mut tables = build(&policy, &walker);
    let doorbell = Ipa::new(0x0A00_0000);

    tables.unmap(&mut &walker, doorbell, PAGE_BYTES).unwrap();
    walker.assert_settled();
    assert_eq!(walker.invalidations(), 1);
    assert_eq!(found(&tables, doorbell), None);
    let counters = Ipa::new(0x0A00_1000);
    assert_eq!(found(&tables, counters), expected(&policy, counters));

    let pa = Pa::new(0x4800_0000);
    tables
        .map(&mut &walker, doorbell, pa, PAGE_BYTES, Attributes::DOORBELL)
        .unwrap();
    walker.assert_settled();
    assert_eq!(walker.invalidations(), 1);
    assert_eq!(found(&tables, doorbell), expected(&policy, doorbell));
}

#[test]
fn a_leaf_that_is_withheld_comes_back_as_it_was() {
    let policy = guest();
    let walker = Walker::new(policy.frames_needed());
    let mut tables = build(&policy, &walker);
    for (ipa, len_bytes) in [(0x0A00_0000, PAGE_BYTES), (0x4020_3000, BLOCK_BYTES)] {
        let withheld = tables.withhold(&mut &walker, Ipa::new(ipa)).unwrap();
        walker.assert_settled();
        let hole = ipa / len_bytes * len_bytes..(ipa / len_bytes + 1) * len_bytes;
        for ipa in boundaries(&policy) {
            let expected = expected(&policy, ipa).filter(|_| !hole.contains(&ipa.get()));
            assert_eq!(found(&tables, ipa), expected, "{ipa:?}");
        }
        assert!(matches!(
            tables.withhold(&mut &walker, Ipa::new(ipa)),
            Err(WalkFault::Unmapped(_))
        ));

        tables.restore(&mut &walker, withheld);
        walker.assert_settled();
        for ipa in boundaries(&policy) {
            assert_eq!(found(&tables, ipa), expected(&policy, ipa), "{ipa:?}");
        }
    }
    assert_eq!(walker.invalidations(), 2);
}

#[test]
#[should_panic(expected = "nothing was mapped")]
fn a_leaf_does_not_come_back_over_another() {
    let policy = guest();
    let walker = Walker::new(policy.frames_needed());
    let mut tables = build(&policy, &walker);
    let doorbell = Ipa::new(0x0A00_0000);
    let withheld = tables.withhold(&mut &walker, doorbell).unwrap();
    let pa = Pa::new(0x4800_0000);
    tables
        .map(&mut &walker, doorbell, pa, PAGE_BYTES, Attributes::DOORBELL)
        .unwrap();
    tables.restore(&mut &walker, withheld);
}

#[test]
fn all_of_a_guest_is_unmapped_with_an_invalidation_per_range() {
    let policy = guest();
    let walker = Walker::new(policy.frames_needed());
    let mut tables = build(&policy, &walker);
    tables.unmap(&mut &walker, Ipa::new(0), 1 << 39).unwrap();
    walker.assert_settled();
    assert_eq!(walker.invalidations(), 2);
    for ipa in boundaries(&policy) {
        assert_eq!(found(&tables, ipa), None, "{ipa:?}");
    }
}

#[test]
fn a_page_taken_out_of_a_block_leaves_the_rest_of_it() {
    let policy = guest();
    let walker = Walker::new(policy.frames_needed() + 1);
    let mut tables = build(&policy, &walker);
    let hole = Ipa::new(0x4020_3000);
    tables.unmap(&mut &walker, hole, PAGE_BYTES).unwrap();
    walker.assert_settled();
    assert_eq!(tables.frames_used(), policy.frames_needed() + 1);
    for page in (0x4000_0000..0x4060_0000).step_by(0x1000).map(Ipa::new) {
        let expected = expected(&policy, page).filter(|_| page != hole);
        assert_eq!(found(&tables, page), expected, "{page:?}");
    }
}

#[test]
fn a_page_taken_out_of_a_gigabyte_splits_twice() {
    let policy = Policy::new()
        .map(
            Ipa::new(GIANT_BYTES),
            Pa::new(GIANT_BYTES),
            GIANT_BYTES,
            Attributes::RAM,
        )
        .unwrap();
    let walker = Walker::new(policy.frames_needed() + 2);
    let mut tables = build(&policy, &walker);
    let hole = Ipa::new(GIANT_BYTES + 0x20_1000);
    tables.unmap(&mut &walker, hole, PAGE_BYTES).unwrap();
    walker.assert_settled();
    assert_eq!(tables.frames_used(), 3);
    assert_eq!(found(&tables, hole), None);
    let levels = [
        (0x20_0000, Level::Three),
        (0x20_2000, Level::Three),
        (0x40_0000, Level::Two),
    ];
    for (offset, level) in levels {
        let ipa = Ipa::new(GIANT_BYTES + offset);
        assert_eq!(tables.walk(ipa).unwrap().level, level);
        assert_eq!(found(&tables, ipa), expected(&policy, ipa));
    }
}

#[test]
fn a_refused_change_changes_nothing() {
    let policy = guest();
    let walker = Walker::new(policy.frames_needed());
    let mut tables = build(&policy, &walker);
    let (ipa, pa) = (Ipa::new(0x4020_0000), Pa::new(0x6000_0000));
    let split = ChangeError::OutOfFrames { needed: 1, left: 0 };
    assert_eq!(tables.unmap(&mut &walker, ipa, PAGE_BYTES), Err(split));
    assert_eq!(
        tables.map(&mut &walker, ipa, pa, PAGE_BYTES, Attributes::RAM),
        Err(ChangeError::AlreadyMapped { ipa })
    );
    let beyond = Ipa::new(0x4400_0000);
    assert_eq!(
        tables.map(&mut &walker, beyond, pa, PAGE_BYTES, Attributes::RAM),
        Err(split)
    );
    assert!(matches!(
        tables.unmap(&mut &walker, ipa, 0x800),
        Err(ChangeError::Range(_))
    ));
    assert_eq!(walker.invalidations(), 0);
    walker.assert_settled();
    for ipa in boundaries(&policy) {
        assert_eq!(found(&tables, ipa), expected(&policy, ipa), "{ipa:?}");
    }
}

/// The model of a change: the policy that would give the tables after it.
fn without(policy: &Policy, start: Ipa, len_bytes: u64) -> Policy {
    let end = Ipa::new(start.get() + len_bytes);
    let mut rest = Policy::new();
    for region in policy.regions() {
        let parts = [
            (region.ipa, region.end().min(start)),
            (region.ipa.max(end), region.end()),
        ];
        for (from, to) in parts.into_iter().filter(|(from, to)| from < to) {
            let len_bytes = to.get() - from.get();
            rest = match *region {
                Region {
                    kind: Kind::Mapped { pa, attributes },
                    ..
                } => {
                    let pa = Pa::new(pa.get() + from.get() - region.ipa.get());
                    rest.map(from, pa, len_bytes, attributes)
                }
                _ => rest.emulate(from, len_bytes),
            }
            .expect("a valid policy");
        }
    }
    rest
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 96,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_walk_finds_what_the_policy_says_and_nothing_else(policy in policy(attributes())) {
        let walker = Walker::new(policy.frames_needed());
        let tables = build(&policy, &walker);
        prop_assert_eq!(tables.frames_used(), policy.frames_needed());
        walker.assert_settled();
        for ipa in boundaries(&policy) {
            prop_assert_eq!(found(&tables, ipa), expected(&policy, ipa), "{:?}", ipa);
        }
    }

    #[test]
    fn tables_are_built_again_in_the_same_frames(first in policy(attributes()), second in policy(attributes())) {
        let walker = Walker::new(first.frames_needed().max(second.frames_needed()));
        let _ = Tables::build(&first, &walker).unwrap();
        let tables = build(&second, &walker);
        for ipa in boundaries(&first).into_iter().chain(boundaries(&second)) {
            prop_assert_eq!(found(&tables, ipa), expected(&second, ipa), "{:?}", ipa);
        }
    }

    #[test]
    fn changes_follow_break_before_make_and_leave_what_was_asked_for(
        policy in policy(write_back()),
        changes in prop::collection::vec((range(), write_back(), 0..3), 1..5),
    ) {
        let walker = Walker::new(policy.frames_needed() + 24);
        let mut tables = build(&policy, &walker);
        let mut model = policy;
        for ((ipa, pa, len), attributes, kind) in changes {
            let before = tables.frames_used();
            let holed = without(&model, ipa, len);
            let filled = || holed.clone().map(ipa, pa, len, attributes).unwrap();
            let changed = match kind {
                0 => tables.unmap(&mut &walker, ipa, len).map(|()| holed),
                1 => tables.map(&mut &walker, ipa, pa, len, attributes).map(|()| filled()),
                _ => tables.remap(&mut &walker, ipa, pa, len, attributes).map(|()| filled()),
            };
            walker.assert_settled();
            match changed {
                Ok(next) => model = next,
                Err(ChangeError::AlreadyMapped { .. } | ChangeError::OutOfFrames { .. }) => {
                    prop_assert_eq!(tables.frames_used(), before);
                }
                Err(error) => prop_assert!(false, "{}", error),
            }
            for ipa in boundaries(&model) {
                prop_assert_eq!(found(&tables, ipa), expected(&model, ipa), "{:?}", ipa);
            }
            let last = Ipa::new(ipa.get() + len - 1);
            prop_assert_eq!(found(&tables, last), expected(&model, last));
        }
    }
}
