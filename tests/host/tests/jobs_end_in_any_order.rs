//! With a DMA engine several jobs are in flight and end in any order: every request completes once,
//! after all of its bytes and in the order of its queue, and who waits for the engine waits alone.

use std::collections::VecDeque;

use proptest::prelude::*;
use unimux_abi::counters::Counter;
use unimux_driver::{Detail, Error, SendWr, Status};
use unimux_engine::EngineError;
use unimux_host_tests::{Pair, Shape, World, pattern};

const DATA_BYTES: usize = 256 * 1024;

/// Each pair has as many requests at a time.
const AT_ONCE: usize = 8;

/// What was posted: its id, and where its bytes go.
type Posted = VecDeque<(u64, usize, usize)>;

fn post(pair: &mut Pair, posted: &mut Posted, id: u64, len: usize) {
    let at = (id as usize % AT_ONCE) * (DATA_BYTES / AT_ONCE);
    pair.a.write(at as u64, &pattern(id, len));
    let local = pair.a.region.segment(at as u64, len as u32);
    let request = SendWr::write(local, pair.b.region.remote(at as u64));
    let request = request.id(id).signaled();
    pair.a.qp.post_send(&request).expect("room");
    posted.push_back((id, at, len));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_request_completes_once_in_order_and_whole(
        seed: u64,
        block_bytes in prop_oneof![Just(512_u32), Just(4096), Just(1 << 20)],
        crossover in prop_oneof![Just(0_u32), Just(3000), Just(1 << 20)],
        lengths in prop::collection::vec(1..DATA_BYTES / AT_ONCE, 60),
    ) {
        let world = World::default();
        let engine = world.engine();
        engine.shuffle(seed);
        engine.set_block_bytes(block_bytes);
        engine.set_crossover(crossover);
        let mut pairs: Vec<_> = (0..3).map(|_| Pair::in_world(&world, Shape::default())).collect();
        let mut posted = [(); 3].map(|()| Posted::new());
        let mut lengths = lengths.into_iter().enumerate().map(|(id, len)| (id as u64, len));
        loop {
            for (pair, posted) in pairs.iter_mut().zip(&mut posted) {
                while posted.len() < AT_ONCE && let Some((id, len)) = lengths.next() {
                    // Where the last request with these bytes was is free: it has completed.
                    if posted.iter().any(|it| it.0 % AT_ONCE as u64 == id % AT_ONCE as u64) {
                        continue;
                    }
                    post(pair, posted, id, len);
                }
            }
            if posted.iter().all(VecDeque::is_empty) {
                break;
            }
            world.rounds(7);
            for (pair, posted) in pairs.iter_mut().zip(&mut posted) {
                while let Some(done) = pair.a.cq.poll_one().expect("sense") {
                    let (id, at, len) = posted.pop_front().expect("it was posted");
                    prop_assert_eq!((done.id, done.status), (id, Status::Success));
                    prop_assert!(pair.b.read(at as u64, len) == pattern(id, len), "id {}", id);
                }
            }
        }
        prop_assert!(crossover > 0 || engine.started() > 0);
        world.settle();
        prop_assert_eq!(engine.held(), 0);
    }
}

/// A write of many blocks, one of which fails.
#[test]
fn a_job_that_fails_ends_its_request_alone() {
    for at in 0..8 {
        let world = World::default();
        let [mut bad, mut good] = [(); 2].map(|()| Pair::in_world(&world, Shape::default()));
        let engine = world.engine();
        engine.hold(true);
        let request = |pair: &Pair| {
            let local = pair.a.region.segment(0, 8 * 16384);
            SendWr::write(local, pair.b.region.remote(0)).signaled()
        };
        let write = request(&bad);
        bad.a.qp.post_send(&write).unwrap();
        let again = request(&bad);
        bad.a.qp.post_send(&again).unwrap();
        world.rounds(100);
        assert_eq!(engine.held(), 8, "as many blocks as the engine takes");
        for _ in 0..at {
            engine.release_one(engine.held() - 1);
        }
        engine.fail_next(1);
        engine.release_one(0);
        world.rounds(100);
        let early = bad.a.cq.poll_one().unwrap();
        assert!(at == 7 || early.is_none(), "others are in flight still");
        engine.hold(false);
        let done = early.unwrap_or_else(|| bad.a.completion());
        assert_eq!((done.status, done.detail), (Status::Fatal, Detail::Engine));
        assert_eq!(bad.a.completion().status, Status::Flushed);
        let write = request(&good);
        assert!(good.a.run(write).is_success());
        bad.reconnect();
        let write = request(&bad);
        assert!(bad.a.run(write).is_success());
        assert_eq!(world.counter(bad.ids[0], Counter::Failed), 1);
    }
}

/// The engine is full of one guest's bulk: what the core moves does not wait for it.
#[test]
fn who_needs_no_engine_does_not_wait_for_it() {
    let world = World::default();
    let [mut bulk, mut small, mut other] =
        [(); 3].map(|()| Pair::in_world(&world, Shape::default()));
    let engine = world.engine();
    engine.set_crossover(4096);
    engine.hold(true);
    for pair in [&mut bulk, &mut other] {
        let local = pair.a.region.segment(0, 200_000);
        let request = SendWr::write(local, pair.b.region.remote(0));
        pair.a.qp.post_send(&request.signaled()).unwrap();
    }
    world.rounds(100);
    assert_eq!(engine.held(), 8);
    for _ in 0..10 {
        let before = world.rounds_so_far();
        let request = SendWr::write(small.a.region.segment(0, 64), small.b.region.remote(0));
        assert!(small.a.run(request).is_success());
        assert!(world.rounds_so_far() - before <= 16);
    }
    engine.hold(false);
    assert!(bulk.a.completion().is_success());
    assert!(other.a.completion().is_success());
}

/// Two guests' bulk has the engine in turns, also if it is full all the time.
#[test]
fn a_full_engine_is_shared() {
    let world = World::default();
    let mut pairs = [(); 2].map(|()| Pair::in_world(&world, Shape::default()));
    let engine = world.engine();
    engine.hold(true);
    for pair in &mut pairs {
        let request = SendWr::write(pair.a.region.segment(0, 262_144), pair.b.region.remote(0));
        for _ in 0..12 {
            pair.a.qp.post_send(&request.signaled()).unwrap();
        }
    }
    for _ in 0..300 {
        world.rounds(8);
        engine.release(1);
    }
    world.rounds(8);
    let moved = [0, 1].map(|i| world.counter(pairs[i].ids[0], Counter::Bytes));
    // What completed is counted by whole requests: at most one apart, and what is in flight.
    assert!(moved[0].abs_diff(moved[1]) <= 2 * 262_144, "{moved:?}");
    assert!(moved[0] + moved[1] >= 15 * 262_144, "{moved:?}");
}

/// Jobs that end one by one, long after the guest was looked at last, are noticed.
#[test]
fn the_next_request_begins_when_the_last_has_ended() {
    let mut pair = Pair::default();
    let engine = pair.world.engine().clone();
    engine.hold(true);
    for _ in 0..4 {
        let request = SendWr::write(pair.a.region.segment(0, 5000), pair.b.region.remote(0));
        pair.a.qp.enqueue_send(&request.signaled()).unwrap();
    }
    pair.a.qp.ring();
    for _ in 0..4 {
        pair.world.rounds(1000);
        assert_eq!(engine.held(), 1, "one after the other");
        engine.release(1);
        assert!(pair.a.completion().is_success());
    }
}

/// A channel that does not stop may still write: nobody is told that its memory is free.
#[test]
fn memory_of_a_job_that_is_stuck_is_not_given_back() {
    let world = World::default();
    let [mut pair, mut other] = [(); 2].map(|()| Pair::in_world(&world, Shape::default()));
    let engine = world.engine();
    engine.fail_by(EngineError::Stuck);
    engine.fail_next(1);
    let write = |pair: &Pair| {
        let local = pair.a.region.segment(0, 4096);
        SendWr::write(local, pair.b.region.remote(0))
    };
    let request = write(&pair);
    let done = pair.a.run(request);
    assert_eq!((done.status, done.detail), (Status::Fatal, Detail::Engine));

    let request = write(&other);
    assert!(other.a.run(request).is_success(), "others go on");
    let region = pair.b.region;
    assert_eq!(pair.b.device.deregister(region), Err(Error::Timeout));
    world.firmware(|firmware| firmware.begin_take_back(pair.ids[0]));
    world.rounds(1000);
    assert!(!world.firmware(|firmware| firmware.is_free(pair.ids[0])));

    // The token comes back once more, and nobody takes it for another job's.
    engine.end(unimux_engine::Token(0), Err(EngineError::Reset));
    world.settle();
    assert!(world.firmware(|firmware| firmware.is_free(pair.ids[0])));
    let request = write(&other);
    assert!(other.a.run(request).is_success());
}
