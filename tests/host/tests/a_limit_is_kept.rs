//! A tenant goes no faster than its host lets it, and the others notice nothing of that.

use unimux_driver::{Counter, PhysicalFunction, RateLimits, SendWr};
use unimux_host_tests::host::{FRAMES, HostWorld};
use unimux_host_tests::{Node, Pair, Shape, Stepped, World, connect};

/// Frames of a tenant's RAM.
const RAM: u64 = 128;

/// Two tenants that are connected, and the function of the first.
fn tenants(host: &HostWorld, agent: &mut PhysicalFunction<Stepped>) -> ([Node<Stepped>; 2], u16) {
    let (vm_a, function) = host.tenant(agent, 0, RAM).expect("a tenant");
    let (vm_b, _) = host.tenant(agent, 200, RAM).expect("a tenant");
    let [mut a, mut b] = [&vm_a, &vm_b].map(|vm| Node::new(host.attach(vm), vm, Shape::default()));
    connect(&mut a, &mut b);
    ([a, b], function)
}

/// Gives `a` some writes of `len` bytes to do.
fn begin(a: &mut Node<Stepped>, b: &Node<Stepped>, len: u32) {
    let request = SendWr::write(a.region.segment(0, len), b.region.remote(0));
    for _ in 0..12 {
        a.qp.enqueue_send(&request.signaled()).expect("room");
    }
    a.qp.ring();
}

/// Keeps `a` busy with writes of `len` bytes for `ns` nanoseconds: how many ended.
fn writes(world: &World, a: &mut Node<Stepped>, b: &Node<Stepped>, len: u32, ns: u64) -> u64 {
    let request = SendWr::write(a.region.segment(0, len), b.region.remote(0));
    let mut ended = 0;
    // A round is a microsecond in this world.
    for _ in 0..ns / 1000 {
        world.rounds(1);
        while let Some(done) = a.cq.poll_one().expect("sense") {
            assert!(done.is_success());
            ended += 1;
            a.qp.post_send(&request.signaled()).expect("room");
        }
    }
    ended
}

/// Whether `is` is within 5 per cent of `expected`, and one request.
fn near(is: u64, expected: u64, unit: u64) -> bool {
    is.abs_diff(expected) <= expected / 20 + unit
}

#[test]
fn bytes_and_requests_in_a_second() {
    const SECOND: u64 = 1_000_000_000;
    let cases = [
        (100_000_000, 0, 4096, 100_000_000 / 4096 / 10),
        (100_000_000, 0, 100_000, 100_000_000 / 100_000 / 10),
        (1_000_000, 0, 64, 1_000_000 / 64 / 10),
        (0, 50_000, 64, 50_000 / 10),
        (100_000_000, 1000, 64, 1000 / 10),
        (20_000_000, 100_000, 20_000, 20_000_000 / 20_000 / 10),
    ];
    for (bytes_per_second, requests_per_second, len, expected) in cases {
        let host = HostWorld::new(2);
        let mut agent = host.agent();
        let ([mut a, b], function) = tenants(&host, &mut agent);
        let limits = RateLimits {
            bytes_per_second,
            requests_per_second,
        };
        agent.set_limits(function, 1, limits).expect("limits");
        begin(&mut a, &b, len);
        let ended = writes(&host.world, &mut a, &b, len, SECOND / 10);
        // What a millisecond's worth of burst allows comes on top.
        let burst = expected / 100 + 2;
        assert!(
            near(ended, expected, burst),
            "{limits:?}: {ended}, not {expected}"
        );
        agent
            .set_limits(function, 1, RateLimits::default())
            .expect("none");
        let free = writes(&host.world, &mut a, &b, 8, SECOND / 1000);
        assert!(free > 400, "{free} in a millisecond without a limit");
    }
}

#[test]
fn the_others_notice_nothing() {
    let world = World::default();
    let mut pair = Pair::in_world(&world, Shape::default());
    let host = HostWorld::in_world(world.clone(), 2, FRAMES);
    let mut agent = host.agent();
    let ([mut a, b], function) = tenants(&host, &mut agent);
    begin(&mut pair.a, &pair.b, 4096);
    let before = writes(&world, &mut pair.a, &pair.b, 4096, 5_000_000);
    let limits = RateLimits {
        bytes_per_second: 1_000_000,
        requests_per_second: 0,
    };
    agent.set_limits(function, 1, limits).expect("limits");
    begin(&mut a, &b, 4096);
    let beside = writes(&world, &mut pair.a, &pair.b, 4096, 5_000_000);
    assert!(beside * 10 >= before * 9, "{beside} writes, {before} alone");
    let report = agent.query(function).expect("a report");
    let ended = report.counters.get(Counter::Completed);
    assert!((1..12).contains(&ended), "{ended} of a limited tenant");
}
