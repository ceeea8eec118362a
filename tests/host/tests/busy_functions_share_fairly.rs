//! Busy functions share the engine fairly: Jain's index over what each got is at least 0.99.

use unimux_abi::counters::Counter;
use unimux_driver::SendWr;
use unimux_firmware::FunctionId;
use unimux_host_tests::{Pair, Shape, World};

/// What a request costs over its bytes, as the schedule counts (`firmware/core/src/schedule.rs`).
const REQUEST_COST_BYTES: u64 = 2048;

/// (sum of x)^2 / (n * sum of x^2): 1 if all are alike, 1/n if one has all (R. Jain, DEC-TR-301).
fn jain(shares: &[f64]) -> f64 {
    let sum: f64 = shares.iter().sum();
    let squares: f64 = shares.iter().map(|share| share * share).sum();
    sum * sum / (shares.len() as f64 * squares)
}

/// Pairs whose senders have always enough to do, for `rounds` rounds; what each sender was served.
fn served(sizes: &[u32], weights: &[u16], rounds: u64) -> Vec<f64> {
    let world = World::default();
    let mut pairs: Vec<_> = weights
        .iter()
        .map(|&weight| Pair::weighted(&world, Shape::default(), weight))
        .collect();
    for (i, &len) in sizes.iter().enumerate() {
        let pair = &mut pairs[i];
        let request = SendWr::write(pair.a.region.segment(0, len), pair.b.region.remote(0));
        for _ in 0..12 {
            pair.a.qp.enqueue_send(&request.signaled()).expect("room");
        }
        pair.a.qp.ring();
    }
    for _ in 0..rounds {
        world.rounds(1);
        for (pair, &len) in pairs.iter_mut().zip(sizes) {
            while pair.a.cq.poll_one().expect("sense").is_some() {
                let local = pair.a.region.segment(0, len);
                let request = SendWr::write(local, pair.b.region.remote(0));
                pair.a.qp.post_send(&request.signaled()).expect("room");
            }
        }
    }
    let count = |id: FunctionId, counter| world.counter(id, counter);
    pairs
        .iter()
        .map(|pair| {
            let id = pair.ids[0];
            let requests = count(id, Counter::Completed) * REQUEST_COST_BYTES;
            (count(id, Counter::Bytes) + requests) as f64
        })
        .collect()
}

#[test]
fn equal_work() {
    for len in [8, 4096, 65_536, 262_144] {
        let shares = served(&[len; 4], &[1; 4], 20_000);
        assert!(jain(&shares) >= 0.99, "{len} bytes: {shares:?}");
    }
}

#[test]
fn small_requests_beside_large_ones() {
    let shares = served(&[8, 4096, 65_536, 262_144], &[1; 4], 40_000);
    assert!(jain(&shares) >= 0.99, "{shares:?}");
}

#[test]
fn weights_are_shares() {
    let shares = served(&[65_536; 3], &[1, 2, 4], 40_000);
    let weighted = [shares[0], shares[1] / 2.0, shares[2] / 4.0];
    assert!(jain(&weighted) >= 0.99, "{shares:?}");
}

/// A small request waits for a few blocks, not for a whole transfer.
#[test]
fn a_bulk_transfer_does_not_block_a_small_one() {
    let world = World::default();
    let mut bulk = Pair::in_world(
        &world,
        Shape {
            data_bytes: 8 << 20,
            ..Shape::default()
        },
    );
    let mut small = Pair::in_world(&world, Shape::default());
    let request = SendWr::write(bulk.a.region.segment(0, 8 << 20), bulk.b.region.remote(0));
    bulk.a.qp.post_send(&request.signaled()).unwrap();
    world.rounds(20);
    for _ in 0..10 {
        let before = world.rounds_so_far();
        let local = small.a.region.segment(0, 8);
        let remote = small.b.region.remote(0);
        assert!(small.a.run(SendWr::write(local, remote)).is_success());
        let took = world.rounds_so_far() - before;
        assert!(took <= 16, "{took} rounds");
    }
    assert_eq!(bulk.a.cq.poll_one(), Ok(None), "the bulk is still moving");
    assert!(bulk.a.completion().is_success());
}
