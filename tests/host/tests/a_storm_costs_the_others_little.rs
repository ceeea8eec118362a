//! A guest that storms its doorbell or its command ring costs the others at most 5 %.

use std::sync::atomic::Ordering;

use unimux_abi::counters::Counter;
use unimux_driver::SendWr;
use unimux_host_tests::{Guest, Pair, RawFunction, Shape, World};

/// Rounds in which the victim's 4000 writes of 4 KiB complete; `storm` is called between rounds.
fn rounds_under(world: &World, pair: &mut Pair, mut storm: impl FnMut(u64)) -> u64 {
    let request = SendWr::write(pair.a.region.segment(0, 4096), pair.b.region.remote(0));
    let mut completed = 0;
    let before = world.rounds_so_far();
    while completed < 4000 {
        while pair.a.qp.send_room() > 0 {
            pair.a.qp.post_send(&request.signaled()).expect("room");
        }
        storm(world.rounds_so_far());
        world.rounds(1);
        while let Some(done) = pair.a.cq.poll_one().expect("sense") {
            assert!(done.is_success());
            completed += 1;
        }
    }
    world.rounds_so_far() - before
}

fn world_with_attacker() -> (World, Pair, Guest, RawFunction, unimux_firmware::FunctionId) {
    let world = World::default();
    let pair = Pair::in_world(&world, Shape::default());
    let (guest, id) = world.guest();
    let attacker = RawFunction::attach(&world, &guest);
    (world, pair, guest, attacker, id)
}

#[test]
fn of_rings() {
    let (world, mut pair, _guest, mut attacker, id) = world_with_attacker();
    let calm = rounds_under(&world, &mut pair, |_| ());
    let storm = rounds_under(&world, &mut pair, |_| attacker.ring_for_queues());
    assert!(
        storm * 100 <= calm * 105,
        "{calm} rounds calm, {storm} in the storm"
    );
    assert!(world.counter(id, Counter::EmptyRings) > 0, "it is counted");
}

#[test]
fn of_rings_by_a_function_with_a_queue_pair() {
    let world = World::default();
    let mut pair = Pair::in_world(&world, Shape::default());
    let mut storming = Pair::in_world(&world, Shape::default());
    let calm = rounds_under(&world, &mut pair, |_| ());
    let storm = rounds_under(&world, &mut pair, |_| storming.a.qp.ring());
    assert!(
        storm * 100 <= calm * 105,
        "{calm} rounds calm, {storm} in the storm"
    );
}

#[test]
fn of_commands() {
    let (world, mut pair, _guest, mut attacker, id) = world_with_attacker();
    let calm = rounds_under(&world, &mut pair, |_| ());
    let before = world.counter(id, Counter::Commands);
    for _ in 0..32 {
        attacker.post([2 << 8, 0, 0, 0, 0, 0, 0, 0]);
    }
    let storm = rounds_under(&world, &mut pair, |_| {
        while attacker.take().is_some() {
            attacker.post([2 << 8, 0, 0, 0, 0, 0, 0, 0]);
        }
        attacker.ring();
    });
    assert!(
        storm * 100 <= calm * 105,
        "{calm} rounds calm, {storm} in the storm"
    );
    // Rounds are not time: a command is one slice beside the data of its round. Every look at the
    // cycle counter takes as long here, so a slice and a turn do, too.
    let commands = world.counter(id, Counter::Commands) - before;
    assert!(commands > 0, "they are served all the same");
    assert!(
        commands * 20 <= storm,
        "{commands} commands in {storm} rounds"
    );
}

/// Time without commands does not add up to a burst of them later.
#[test]
fn of_commands_after_a_long_calm() {
    let (world, mut pair, _guest, mut attacker, id) = world_with_attacker();
    for _ in 0..10 {
        rounds_under(&world, &mut pair, |_| ());
    }
    let before = world.counter(id, Counter::Commands);
    for _ in 0..32 {
        attacker.post([2 << 8, 0, 0, 0, 0, 0, 0, 0]);
    }
    let storm = rounds_under(&world, &mut pair, |_| {
        while attacker.take().is_some() {
            attacker.post([2 << 8, 0, 0, 0, 0, 0, 0, 0]);
        }
        attacker.ring();
    });
    let commands = world.counter(id, Counter::Commands) - before;
    assert!(
        commands * 8 <= storm,
        "{commands} commands in {storm} rounds"
    );
}

#[test]
fn the_storming_guest_itself_is_still_served_when_it_has_work() {
    let mut pair = Pair::default();
    for _ in 0..100_000 {
        pair.a.qp.ring();
        pair.world.rounds(1);
    }
    let before = pair.world.rounds_so_far();
    let request = SendWr::write_u64(1, pair.b.region.remote(0));
    assert!(pair.a.run(request).is_success());
    let took = pair.world.rounds_so_far() - before;
    assert!(took < 3000, "{took} rounds");
    assert_eq!(
        pair.b.ram.word(pair.b.data.ipa()).load(Ordering::Relaxed),
        1
    );
}
