//! The engine `zdma` against a register block that is strict about UG1087.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "models/zdma.rs"]
mod model;
mod world;

use proptest::prelude::*;
use unimux_engine::dma::{Machine, Settings};
use unimux_engine::zdma::{Completion, Form, Zdma, ZdmaChannel};
use unimux_engine::{Copy, Engine, EngineError, Full, Token, Way};

use model::{Behaviour, ZdmaBlock};
use world::{World, granted};

struct Bench {
    world: World,
    blocks: Vec<ZdmaBlock>,
    engine: Zdma<ZdmaBlock, World>,
}

#[derive(Clone, Copy, Debug)]
struct Kind {
    is_coherent: bool,
    form: Form,
    completion: Completion,
}

const COHERENT: Kind = Kind {
    is_coherent: true,
    form: Form::Linear,
    completion: Completion::Poll,
};

fn kinds() -> impl Strategy<Value = Kind> {
    let forms = prop_oneof![Just(Form::Linear), Just(Form::Linked)];
    let completions = prop_oneof![Just(Completion::Poll), Just(Completion::Interrupt)];
    (any::<bool>(), forms, completions).prop_map(|(is_coherent, form, completion)| Kind {
        is_coherent,
        form,
        completion,
    })
}

impl Bench {
    fn new(channels: usize, kind: Kind) -> Self {
        Self::with(channels, kind, |_, _| {})
    }

    fn with(channels: usize, kind: Kind, prepare: impl Fn(usize, &ZdmaBlock)) -> Self {
        let world = World::new();
        let blocks: Vec<_> = (0..channels)
            .map(|_| ZdmaBlock::new(&world, kind.is_coherent))
            .collect();
        for (index, block) in blocks.iter().enumerate() {
            prepare(index, block);
        }
        let made = blocks.iter().enumerate().map(|(index, block)| {
            let memory = world.descriptors(index);
            let (coherent, completion) = (kind.is_coherent, kind.completion);
            ZdmaChannel::new(block.clone(), memory, kind.form, coherent, completion)
        });
        let settings = Settings::new(kind.is_coherent);
        let engine = Zdma::new(made, world.clone(), settings);
        Self {
            world,
            blocks,
            engine,
        }
    }

    /// Reaps until `count` jobs have come back, or a second has passed.
    fn reap(&mut self, count: usize) -> Vec<(u16, Result<(), EngineError>)> {
        let mut ended = Vec::new();
        for _ in 0..1000 {
            while let Some((token, result)) = self.engine.reap() {
                ended.push((token.0, result));
            }
            if ended.len() >= count {
                break;
            }
            self.world.pass(1_000_000);
        }
        ended
    }
}

/// What memory looks like after `copies` in this order; they do not overlap.
fn after(world: &World, copies: &[(usize, usize, usize)]) -> Vec<u8> {
    let mut all = world.all();
    for &(from, to, len) in copies {
        let source = all[from..from + len].to_vec();
        all[to..to + len].copy_from_slice(&source);
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn exactly_the_bytes_asked_for_move(
        kind in kinds(),
        pieces in prop::collection::vec((0..200_usize, 0..200_usize, 1..2500_usize), 1..=64),
    ) {
        let mut bench = Bench::new(1, kind);
        // Piece i has 3000 bytes to itself on both sides: neighbours, but no overlap.
        let places: Vec<_> = pieces
            .iter()
            .enumerate()
            .map(|(i, &(from, to, len))| (i * 2750 + from, 200_000 + i * 2750 + to, len))
            .collect();
        let expected = after(&bench.world, &places);
        let copies: Vec<Copy> = places
            .iter()
            .map(|&(from, to, len)| bench.world.copy(from, to, len))
            .collect();
        prop_assert_eq!(bench.engine.start(Token(3), &copies), Ok(()));
        prop_assert_eq!(bench.reap(1), [(3, Ok(()))]);
        prop_assert!(bench.world.all() == expected, "other bytes");
        prop_assert!(!bench.blocks[0].interrupts(), "the interrupt is gone with the job");
        if kind.is_coherent {
            prop_assert_eq!(bench.world.maintained(), 0);
        }
    }

    #[test]
    fn an_error_at_any_descriptor_ends_its_job_alone(
        kind in kinds(),
        count in 1..40_usize,
        at in any::<prop::sample::Index>(),
        (bit, error) in prop_oneof![
            Just((0, EngineError::Internal)),
            Just((6, EngineError::Descriptor)),
            Just((7, EngineError::Descriptor)),
            Just((8, EngineError::Read)),
            Just((9, EngineError::Write)),
        ],
    ) {
        let mut bench = Bench::new(2, kind);
        let at = at.index(count);
        bench.blocks[0].behave(Behaviour::Fails { at, interrupts: 1 << bit });
        let places: Vec<_> = (0..count).map(|i| (i * 300, 100_000 + i * 300, 256)).collect();
        let copies: Vec<_> =
            places.iter().map(|&(from, to, len)| bench.world.copy(from, to, len)).collect();
        let other = bench.world.copy(50, 200_001, 777);
        let expected = bench.world.read(50, 777);
        bench.engine.start(Token(0), &copies).unwrap();
        bench.engine.start(Token(1), &[other]).unwrap();
        let mut ended = bench.reap(2);
        ended.sort_by_key(|it| it.0);
        prop_assert_eq!(ended, [(0, Err(error)), (1, Ok(()))]);
        prop_assert_eq!(bench.world.read(200_001, 777), expected);

        // The channel is as good as new.
        bench.blocks[0].behave(Behaviour::Prompt);
        bench.engine.start(Token(2), &copies).unwrap();
        prop_assert_eq!(bench.reap(1), [(2, Ok(()))]);
        prop_assert_eq!(bench.world.read(100_000, 256), bench.world.read(0, 256));
        prop_assert_eq!(bench.blocks[0].starts(), 2);
    }
}

#[test]
fn one_piece_needs_no_descriptor_and_no_interrupt_unless_asked() {
    for completion in [Completion::Poll, Completion::Interrupt] {
        let kind = Kind {
            completion,
            ..COHERENT
        };
        let mut bench = Bench::new(1, kind);
        bench.blocks[0].behave(Behaviour::Held);
        bench
            .engine
            .start(Token(9), &[bench.world.copy(1, 70_000, 5)])
            .unwrap();
        assert_eq!(bench.engine.reap(), None);
        bench.blocks[0].go_on();
        let expected = completion == Completion::Interrupt;
        assert_eq!(bench.blocks[0].interrupts(), expected);
        assert_eq!(bench.reap(1), [(9, Ok(()))]);
        assert!(!bench.blocks[0].interrupts());
        assert!(bench.world.waited_for() > 0);
    }
}

#[test]
fn eight_jobs_are_in_flight_and_end_in_any_order() {
    let mut bench = Bench::new(8, COHERENT);
    for block in &bench.blocks {
        block.behave(Behaviour::Held);
    }
    for token in 0..8 {
        let at = usize::from(token) * 1000;
        assert_ne!(bench.engine.way(1), Way::Full);
        let copy = bench.world.copy(at, 100_000 + at, 999);
        bench.engine.start(Token(token), &[copy]).unwrap();
    }
    assert_eq!(bench.engine.depth(), 8);
    assert_eq!(bench.engine.way(1), Way::Full);
    let copy = bench.world.copy(0, 200_000, 1);
    assert_eq!(bench.engine.start(Token(8), &[copy]), Err(Full));
    assert_eq!(bench.engine.reap(), None);
    for token in [5, 0, 7, 1, 2, 6, 4, 3] {
        bench.blocks[usize::from(token)].go_on();
        assert_eq!(bench.engine.reap(), Some((Token(token), Ok(()))));
        assert_eq!(bench.engine.reap(), None);
    }
    assert_eq!(bench.world.read(100_000, 999), bench.world.read(0, 999));
}

#[test]
fn a_channel_that_never_ends_is_reset_in_bounded_time_and_alone() {
    for behaviour in [Behaviour::Hangs, Behaviour::Pauses] {
        let mut bench = Bench::new(2, COHERENT);
        bench.blocks[0].behave(behaviour);
        let copy = bench.world.copy(0, 70_000, 4096);
        bench.engine.start(Token(0), &[copy]).unwrap();
        assert_eq!(bench.engine.reap(), None);
        bench.engine.start(Token(1), &[copy]).unwrap();
        assert_eq!(bench.reap(1), [(1, Ok(()))], "the other one goes on");
        let before_ns = bench.world.now_ns();
        assert_eq!(bench.reap(1), [(0, Err(EngineError::Reset))]);
        assert!(bench.world.now_ns() - before_ns < 50_000_000);
        bench.blocks[0].behave(Behaviour::Prompt);
        bench.engine.start(Token(2), &[copy]).unwrap();
        assert_eq!(bench.reap(1), [(2, Ok(()))]);
        assert_eq!(bench.blocks[0].starts(), 2);
    }
}

#[test]
fn a_channel_that_does_not_stop_gets_nothing_more_until_it_has() {
    let mut bench = Bench::new(2, COHERENT);
    bench.blocks[0].behave(Behaviour::Jams);
    let copy = bench.world.copy(0, 70_000, 4096);
    bench.engine.start(Token(0), &[copy]).unwrap();
    assert_eq!(bench.reap(1), [(0, Err(EngineError::Stuck))]);
    assert_eq!(bench.engine.in_service(), 1);
    for _ in 0..3 {
        bench.engine.start(Token(1), &[copy]).unwrap();
        assert_eq!(bench.reap(1), [(1, Ok(()))]);
    }
    assert_eq!(bench.blocks[0].starts(), 1);
    bench.blocks[0].go_on();
    assert_eq!(bench.reap(1), [(0, Err(EngineError::Reset))], "once more");
    assert_eq!(bench.engine.in_service(), 2);
    bench.engine.start(Token(0), &[copy]).unwrap();
    assert_eq!(bench.reap(1), [(0, Ok(()))]);
    assert_eq!(bench.blocks[0].starts(), 2);
}

#[test]
fn a_channel_that_somebody_left_busy_is_used_when_it_is_idle() {
    let mut bench = Bench::with(2, COHERENT, |index, block| {
        if index == 0 {
            block.make_busy();
        }
    });
    let copy = bench.world.copy(0, 70_000, 64);
    bench.engine.start(Token(0), &[copy]).unwrap();
    assert_eq!(bench.reap(1), [(0, Ok(()))]);
    assert_eq!(bench.blocks[0].starts(), 0);
    bench.blocks[0].go_on();
    assert_eq!(bench.engine.reap(), None);
    bench.engine.start(Token(1), &[copy]).unwrap();
    assert_eq!(bench.reap(1), [(1, Ok(()))]);
    assert_eq!(bench.blocks[0].starts(), 1);
}

#[test]
fn a_gibibyte_is_told_in_pieces_that_fit() {
    for form in [Form::Linear, Form::Linked] {
        let kind = Kind { form, ..COHERENT };
        let mut bench = Bench::new(1, kind);
        bench.blocks[0].behave(Behaviour::Pretends);
        // Nothing is touched there.
        let (from, to, len) = ((1_u64 << 48) + 3, (1_u64 << 47) + 1, 1_u64 << 30);
        let copy = Copy::new(granted(from, len), granted(to, len)).unwrap();
        bench.engine.start(Token(0), &[copy]).unwrap();
        // The lists themselves are read: addresses above 40 bits are in them.
        assert_eq!(bench.reap(1), [(0, Ok(()))]);
        let mut next = [from, to];
        for pair in bench.blocks[0].told() {
            for (next, descriptor) in next.iter_mut().zip(pair) {
                assert_eq!(descriptor.address, *next);
                *next += u64::from(descriptor.size);
            }
        }
        assert_eq!(next, [from + len, to + len]);
    }
}

#[test]
fn an_address_out_of_reach_is_refused() {
    let mut bench = Bench::new(1, COHERENT);
    let near = bench.world.span(0, 4096);
    let far = granted((1 << 49) - 4095, 4096);
    for copy in [Copy::new(near, far), Copy::new(far, near)] {
        bench.engine.start(Token(0), &[copy.unwrap()]).unwrap();
        assert_eq!(bench.reap(1), [(0, Err(EngineError::OutOfReach))]);
    }
    assert_eq!(bench.blocks[0].starts(), 0);
}

#[test]
fn what_is_shorter_than_a_line_is_moved_by_the_core_if_caches_are_not_seen() {
    let kind = Kind {
        is_coherent: false,
        ..COHERENT
    };
    let mut bench = Bench::new(1, kind);
    let expected = after(&bench.world, &[(5, 70_001, 62)]);
    let copy = bench.world.copy(5, 70_001, 62);
    bench.engine.start(Token(0), &[copy]).unwrap();
    assert_eq!(bench.reap(1), [(0, Ok(()))]);
    assert_eq!(bench.blocks[0].starts(), 0);
    assert!(bench.world.all() == expected);
}
