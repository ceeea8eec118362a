//! The engine `cdma` against a register block that is strict about PG034.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "models/cdma.rs"]
mod model;
mod world;

use proptest::prelude::*;
use unimux_engine::cdma::{Build, Cdma, CdmaChannel};
use unimux_engine::dma::{Machine, Settings};
use unimux_engine::{Copy, Engine, EngineError, Token, Way};

use model::{Behaviour, CdmaBlock};
use world::{World, granted};

const BUILD: Build = Build {
    address_bits: 64,
    length_bits: 26,
    beat_bytes: 16,
    shifts: true,
    is_coherent: true,
    interrupts: false,
};

struct Bench {
    world: World,
    block: CdmaBlock,
    engine: Cdma<CdmaBlock, World>,
}

fn builds() -> impl Strategy<Value = Build> {
    let widths = prop_oneof![Just(4), Just(16), Just(64)];
    let lengths = prop_oneof![Just(8), Just(12), Just(23), Just(26)];
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    (widths, lengths, flags).prop_map(|(beat_bytes, length_bits, flags)| Build {
        length_bits,
        beat_bytes,
        shifts: flags.0,
        is_coherent: flags.1,
        interrupts: flags.2,
        ..BUILD
    })
}

impl Bench {
    fn new(build: Build, has_lists: bool) -> Self {
        let world = World::new();
        let block = CdmaBlock::new(&world, build, has_lists);
        let channel = CdmaChannel::new(block.clone(), world.descriptors(0), build);
        let settings = Settings::new(build.is_coherent);
        let engine = Cdma::new([channel], world.clone(), settings);
        Self {
            world,
            block,
            engine,
        }
    }

    /// Starts a job and reaps it, or `None` if it does not come back within a second.
    fn carry_out(&mut self, copies: &[Copy]) -> Option<Result<(), EngineError>> {
        self.engine.start(Token(1), copies).unwrap();
        self.reap()
    }

    fn reap(&mut self) -> Option<Result<(), EngineError>> {
        for _ in 0..10_000 {
            if let Some((token, result)) = self.engine.reap() {
                assert_eq!(token, Token(1));
                return Some(result);
            }
            self.world.pass(100_000);
        }
        None
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn exactly_the_bytes_asked_for_move(
        build in builds(),
        has_lists: bool,
        pieces in prop::collection::vec((0..200_usize, 0..200_usize, 1..2500_usize), 1..=64),
    ) {
        let mut bench = Bench::new(build, has_lists);
        let mut expected = bench.world.all();
        let mut copies = Vec::new();
        for (i, (from, to, len)) in pieces.into_iter().enumerate() {
            let (from, to) = (i * 2750 + from, 200_000 + i * 2750 + to);
            let source = expected[from..from + len].to_vec();
            expected[to..to + len].copy_from_slice(&source);
            copies.push(bench.world.copy(from, to, len));
        }
        prop_assert_eq!(bench.carry_out(&copies), Some(Ok(())));
        prop_assert!(bench.world.all() == expected, "other bytes");
        prop_assert!(!bench.block.interrupts(), "the interrupt is gone with the job");
        if build.is_coherent {
            prop_assert_eq!(bench.world.maintained(), 0);
        }
    }

    #[test]
    fn an_error_at_any_transfer_ends_the_job_and_resets_the_core(
        build in builds(),
        has_lists: bool,
        count in 1..40_usize,
        at in any::<prop::sample::Index>(),
        (bit, error) in prop_oneof![
            Just((4, EngineError::Internal)),
            Just((5, EngineError::Access)),
            Just((6, EngineError::Access)),
            Just((8, EngineError::Descriptor)),
            Just((9, EngineError::Descriptor)),
            Just((10, EngineError::Descriptor)),
        ],
    ) {
        let build = Build { length_bits: 23, ..build };
        let mut bench = Bench::new(build, has_lists);
        let at = if has_lists { at.index(count) } else { 0 };
        bench.block.behave(Behaviour::Fails { at, errors: 1 << bit });
        let copies: Vec<_> =
            (0..count).map(|i| bench.world.copy(i * 512, 100_352 + i * 512, 256)).collect();
        prop_assert_eq!(bench.carry_out(&copies), Some(Err(error)));
        bench.block.behave(Behaviour::Prompt);
        prop_assert_eq!(bench.carry_out(&copies), Some(Ok(())));
        prop_assert_eq!(bench.world.read(100_352, 256), bench.world.read(0, 256));
    }
}

#[test]
fn a_narrow_core_has_no_upper_halves_and_no_far_addresses() {
    let build = Build {
        address_bits: 32,
        ..BUILD
    };
    // The memory of a test is above 4 GiB: nothing can be moved there.
    let mut bench = Bench::new(build, true);
    let far = bench.world.copy(0, 70_000, 64);
    assert_eq!(bench.carry_out(&[far]), Some(Err(EngineError::OutOfReach)));
    let wrapping = Copy::new(granted((1 << 32) - 8, 16), granted(4096, 16)).unwrap();
    let ended = bench.carry_out(&[wrapping]);
    assert_eq!(ended, Some(Err(EngineError::OutOfReach)));
    assert_eq!(bench.block.starts(), 0);

    // Near addresses are told in one word each: the block would refuse another.
    let near = Copy::new(granted(4096, 64), granted(8192, 64)).unwrap();
    bench.block.behave(Behaviour::Hangs);
    assert_eq!(bench.carry_out(&[near]), Some(Err(EngineError::Reset)));
    assert_eq!(bench.block.starts(), 1);
}

#[test]
fn a_held_core_is_full_and_then_done() {
    let mut bench = Bench::new(
        Build {
            interrupts: true,
            ..BUILD
        },
        true,
    );
    bench.block.behave(Behaviour::Held);
    let copies = [
        bench.world.copy(0, 70_000, 100),
        bench.world.copy(200, 80_000, 100),
    ];
    bench.engine.start(Token(1), &copies).unwrap();
    assert_eq!(bench.engine.way(1), Way::Full);
    assert_eq!(bench.engine.reap(), None);
    bench.block.go_on();
    assert!(bench.block.interrupts());
    assert_eq!(bench.reap(), Some(Ok(())));
    assert_eq!(bench.world.read(80_000, 100), bench.world.read(200, 100));
    assert!(bench.world.waited_for() > 0);
}

#[test]
fn a_chain_whose_end_was_not_reported_has_failed() {
    let mut bench = Bench::new(BUILD, true);
    bench.block.behave(Behaviour::Forgets);
    let copies = [
        bench.world.copy(0, 70_000, 100),
        bench.world.copy(200, 80_000, 100),
    ];
    let ended = bench.carry_out(&copies);
    assert_eq!(ended, Some(Err(EngineError::Descriptor)));
}

#[test]
fn a_core_that_never_ends_is_reset_in_bounded_time() {
    for has_lists in [false, true] {
        let mut bench = Bench::new(BUILD, has_lists);
        bench.block.behave(Behaviour::Hangs);
        let copies = [
            bench.world.copy(0, 70_000, 100),
            bench.world.copy(200, 80_000, 100),
        ];
        assert_eq!(bench.carry_out(&copies), Some(Err(EngineError::Reset)));
        assert!(bench.world.now_ns() < 50_000_000);
        bench.block.behave(Behaviour::Prompt);
        assert_eq!(bench.carry_out(&copies), Some(Ok(())));
    }
}

#[test]
fn a_core_whose_reset_does_not_end_gets_nothing_more_until_it_has() {
    let mut bench = Bench::new(BUILD, true);
    bench.block.behave(Behaviour::Jams);
    let copy = bench.world.copy(0, 70_000, 100);
    assert_eq!(bench.carry_out(&[copy]), Some(Err(EngineError::Stuck)));
    assert_eq!(bench.engine.way(1), Way::Full);
    bench.block.go_on();
    assert_eq!(bench.reap(), Some(Err(EngineError::Reset)));
    assert_eq!(bench.carry_out(&[copy]), Some(Ok(())));
}
