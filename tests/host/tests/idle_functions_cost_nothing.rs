//! Idle functions cost nothing: the same work takes the same rounds with 1 pair and with 63 more
//! functions beside it, and a round looks at one of them.

use unimux_driver::SendWr;
use unimux_firmware::{Progress, Quota};
use unimux_host_tests::{Guest, Pair, Shape, World};

const QUOTA: Quota = Quota {
    pds: 1,
    cqs: 1,
    qps: 1,
    mrs: 1,
    pages: 8,
};

/// Rounds for 1000 writes, one after the other, with `idle` attached functions beside.
fn rounds_with(idle: usize) -> u64 {
    let world = World::default();
    let guests: Vec<Guest> = (0..idle)
        .map(|_| {
            let (guest, _) = world.guest_with(8192, QUOTA, |_| ());
            drop(world.attach(&guest).expect("attach"));
            guest
        })
        .collect();
    let mut pair = Pair::in_world(&world, Shape::default());
    let request = SendWr::write_u64(1, pair.b.region.remote(0));
    let before = world.rounds_so_far();
    for _ in 0..1000 {
        assert!(pair.a.run(request).is_success());
    }
    drop(guests);
    world.rounds_so_far() - before
}

#[test]
fn work_takes_as_many_rounds_with_64_functions_as_with_two() {
    let (few, many) = (rounds_with(0), rounds_with(62));
    assert!(
        many.abs_diff(few) * 10 < few,
        "{few} rounds alone, {many} rounds among 62 idle functions"
    );
}

#[test]
fn an_idle_function_is_heard_within_a_look_at_each() {
    let world = World::default();
    let guests: Vec<Guest> = (0..62)
        .map(|_| world.guest_with(8192, QUOTA, |_| ()).0)
        .collect();
    let mut pair = Pair::in_world(&world, Shape::default());
    world.settle();
    let request = SendWr::write_u64(1, pair.b.region.remote(0));
    pair.a.qp.post_send(&request.signaled()).unwrap();
    world.rounds(70);
    assert!(
        pair.a.cq.poll_one().unwrap().is_some(),
        "64 functions, 70 rounds"
    );
    drop(guests);
}

#[test]
fn nothing_to_do_is_said() {
    let mut pair = Pair::default();
    pair.world.settle();
    for _ in 0..100 {
        assert_eq!(pair.world.round(), Progress::Idle);
    }
    let request = SendWr::write_u64(1, pair.b.region.remote(0));
    assert!(pair.a.run(request).is_success());
    pair.world.settle();
}
