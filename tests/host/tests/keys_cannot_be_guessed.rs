//! Keys and queue pair numbers are random in every bit, differ by function and by seed, and a
//! wrong one is counted.

use std::collections::HashSet;

use unimux_abi::counters::Counter;
use unimux_driver::{Access, QpOptions, SendWr, Status, bytes_for_qp};
use unimux_firmware::FunctionId;
use unimux_host_tests::{Node, Pair, Shape, Stepped, World};

/// `count` keys of regions that come and go, `kept` of them there at a time.
fn keys(node: &mut Node<Stepped>, count: usize, kept: usize) -> Vec<[u32; 2]> {
    let mut regions = std::collections::VecDeque::new();
    let mut keys = Vec::new();
    for _ in 0..count {
        if regions.len() == kept {
            let oldest = regions.pop_front().expect("there are some");
            node.device.deregister(oldest).expect("it is there");
        }
        let region = node
            .device
            .register_range(node.pd, node.data.ipa(), 4096, 0, Access::all())
            .expect("there is room");
        keys.push([region.lkey, region.rkey]);
        regions.push_back(region);
    }
    keys
}

fn node(world: &World) -> (Node<Stepped>, FunctionId) {
    let (guest, id) = world.guest();
    let device = world.attach(&guest).expect("attach");
    (Node::new(device, &guest, Shape::default()), id)
}

/// Whether every one of the low `bits` bits is set in half of `values`, as it is in fair coin
/// tosses: five standard deviations are allowed.
fn balanced(values: &[u32], bits: u32) {
    let n = values.len() as f64;
    for bit in 0..bits {
        let set = values
            .iter()
            .filter(|&&value| value >> bit & 1 == 1)
            .count() as f64;
        assert!(
            (set - n / 2.0).abs() < 5.0 * (n / 4.0).sqrt(),
            "bit {bit} is set in {set} of {n}"
        );
    }
}

/// Whether any two bits agree in half of `values`.
fn independent(values: &[u32], bits: u32) {
    for one in 0..bits {
        for other in 0..one {
            let agree: Vec<u32> = values
                .iter()
                .map(|value| (value >> one ^ value >> other) & 1)
                .collect();
            let n = values.len() as f64;
            let set = agree.iter().sum::<u32>() as f64;
            assert!(
                (set - n / 2.0).abs() < 6.0 * (n / 4.0).sqrt(),
                "bits {one} and {other} differ in {set} of {n}"
            );
        }
    }
}

#[test]
fn every_bit_of_a_remote_key_is_random() {
    let (mut node, _) = node(&World::default());
    let rkeys: Vec<u32> = keys(&mut node, 10_000, 60)
        .iter()
        .map(|key| key[1])
        .collect();
    balanced(&rkeys, 32);
    independent(&rkeys, 32);
    // The next key says nothing of the one before.
    let steps: Vec<u32> = rkeys.windows(2).map(|two| two[0] ^ two[1]).collect();
    balanced(&steps, 32);
    let distinct: HashSet<u32> = rkeys.iter().copied().collect();
    assert!(
        distinct.len() > 9_990,
        "{} distinct of 10000",
        distinct.len()
    );
}

#[test]
fn local_keys_are_balanced_too() {
    let (mut node, _) = node(&World::default());
    let lkeys: Vec<u32> = keys(&mut node, 10_000, 60)
        .iter()
        .map(|key| key[0])
        .collect();
    balanced(&lkeys, 32);
}

#[test]
fn every_bit_of_a_queue_pair_number_is_random() {
    let (mut node, _) = node(&World::default());
    let options = QpOptions {
        send_entries: 2,
        recv_entries: 2,
    };
    let block = node.ram.take(bytes_for_qp(2, 2));
    let numbers: Vec<u32> = (0..4000)
        .map(|_| {
            let made = node
                .device
                .create_qp(node.pd, &node.cq, &node.cq, options, block);
            let mut qp = made.unwrap();
            node.device.destroy_qp(&mut qp).unwrap();
            qp.number()
        })
        .collect();
    assert!(
        numbers
            .iter()
            .all(|number| *number < 1 << 24 && *number > 1)
    );
    balanced(&numbers, 24);
    independent(&numbers, 24);
}

#[test]
fn functions_and_boots_have_keys_of_their_own() {
    let mut all = HashSet::new();
    for seed in 0..4 {
        let world = World::new([seed; 32]);
        for _ in 0..4 {
            let (mut node, _) = node(&world);
            all.insert(keys(&mut node, 8, 8));
        }
    }
    assert_eq!(all.len(), 16, "no two functions of any boot drew alike");
}

#[test]
fn a_function_given_again_does_not_repeat_its_keys() {
    let world = World::default();
    let (guest, id) = world.guest();
    let mut all = HashSet::new();
    for _ in 0..20 {
        guest.ram.reset();
        let device = world.attach(&guest).unwrap();
        let mut node = Node::new(device, &guest, Shape::default());
        all.insert(keys(&mut node, 8, 8));
        world.take_back(id);
    }
    assert_eq!(all.len(), 20);
}

#[test]
fn the_same_seed_draws_the_same() {
    let draw = || keys(&mut node(&World::new([9; 32])).0, 8, 8);
    assert_eq!(
        draw(),
        draw(),
        "so the distribution above is that of a generator, not of luck"
    );
}

#[test]
fn a_guess_is_counted_and_costs_the_connection() {
    let mut pair = Pair::default();
    let misses = |pair: &Pair| {
        pair.ids
            .map(|id| pair.world.counter(id, Counter::KeyMisses))
            .iter()
            .sum::<u64>()
    };
    for guess in 1..=50u32 {
        let mut remote = pair.b.region.remote(0);
        remote.rkey = remote.rkey.wrapping_add(guess.wrapping_mul(0x9e37_79b9));
        let done = pair
            .a
            .run(SendWr::write(pair.a.region.segment(0, 8), remote));
        assert_eq!(done.status, Status::RemoteAccess);
        assert_eq!(misses(&pair), u64::from(guess));
        let next = pair.a.run(SendWr::write_u64(1, pair.b.region.remote(0)));
        assert_eq!(next.status, Status::Flushed, "one guess a connection");
        let to_b = pair.b.as_peer();
        pair.a.reconnect(&to_b);
    }
}
