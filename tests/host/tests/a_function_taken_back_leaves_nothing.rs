//! A function that is taken back, whatever it has in flight, leaves nothing: 10,000 times.
// UNSAFETY: a global allocator that counts has to implement an unsafe trait.
#![expect(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use unimux_abi::counters::Counter;
use unimux_driver::{Device, Error, RecvWr, SendWr, Status};
use unimux_firmware::FunctionId;
use unimux_host_tests::host::HostWorld;
use unimux_host_tests::{Guest, Node, Shape, Stepped, World, connect, pattern};

thread_local! {
    /// Calls and live bytes of this thread.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static LIVE: Cell<i64> = const { Cell::new(0) };
}

/// The system's allocator, counting.
struct Counting;

// SAFETY: every call goes to the system's allocator as it is; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        LIVE.with(|live| live.set(live.get() + layout.size() as i64));
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        LIVE.with(|live| live.set(live.get() - layout.size() as i64));
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations() -> (u64, i64) {
    (ALLOCATIONS.with(Cell::get), LIVE.with(Cell::get))
}

fn attach(world: &World, guest: &Guest) -> Node<Stepped> {
    guest.ram.reset();
    let device = world.attach(guest).expect("attach");
    Node::new(device, guest, Shape::default())
}

/// Work of every kind, some of it held back by the engine, some waiting for a receive.
fn keep_busy(world: &World, a: &mut Node<Stepped>, b: &mut Node<Stepped>, step: u64) {
    world.engine().hold(step.is_multiple_of(3));
    let whole = SendWr::write(a.region.segment(0, 100_000), b.region.remote(0));
    let back = SendWr::read(b.region.segment(0, 50_000), a.region.remote(1));
    b.receive(RecvWr::new(b.region.segment(0, 256)));
    for request in [
        SendWr::send(a.region.segment(0, 64)),
        whole,
        SendWr::send(a.region.segment(0, 64)),
    ] {
        a.qp.enqueue_send(&request.signaled()).expect("room");
    }
    a.qp.ring();
    b.qp.post_send(&back.signaled()).expect("room");
    world.rounds(step % 17);
}

#[test]
fn ten_thousand_times() {
    let world = World::default();
    let [(guest_a, id_a), (guest_b, id_b)] = [world.guest(), world.guest()];
    let (mut a, mut b) = (attach(&world, &guest_a), attach(&world, &guest_b));
    connect(&mut a, &mut b);
    let in_use = world.in_use(id_a);
    let held = world.counter(id_a, Counter::HeldBytes);
    // The engine's queue of held copies has its full length once.
    for step in 0..200 {
        turn(&world, (&guest_a, id_a), &mut a, &mut b, step);
    }
    let before = allocations();
    for step in 0..10_000 {
        if step % 2 == 0 {
            turn(&world, (&guest_a, id_a), &mut a, &mut b, step);
        } else {
            turn(&world, (&guest_b, id_b), &mut b, &mut a, step);
        }
        assert_eq!(world.in_use(id_a), in_use);
        assert_eq!(world.counter(id_a, Counter::HeldBytes), held);
    }
    assert_eq!(allocations(), before, "the firmware allocates nothing");
    // And all works as before.
    let data = pattern(1, 10_000);
    a.write(3, &data);
    let request = SendWr::write(a.region.segment(3, 10_000), b.region.remote(5));
    assert!(a.run(request).is_success());
    assert_eq!(b.read(5, 10_000), data);
}

/// Takes `a`'s function back with work in flight, gives it to its guest again, connects anew.
fn turn(
    world: &World,
    (guest, id): (&Guest, FunctionId),
    a: &mut Node<Stepped>,
    b: &mut Node<Stepped>,
    step: u64,
) {
    keep_busy(world, a, b, step);
    world.firmware(|firmware| firmware.begin_take_back(id));
    if step.is_multiple_of(3) {
        world.rounds(5);
        if world.engine().held() > 0 {
            assert!(
                !world.firmware(|firmware| firmware.is_free(id)),
                "copies are in flight"
            );
        }
        world.engine().hold(false);
    }
    world.take_back(id);
    assert_eq!(world.in_use(id), 0);
    *a = attach(world, guest);
    let to_a = a.as_peer();
    let to_b = b.as_peer();
    b.reconnect(&to_a);
    while b.cq.poll_one().expect("sense").is_some() {}
    a.device.connect(&a.qp, &to_b).expect("connect");
}

/// Tenants that are made, work, and are destroyed, in turn and by several agents: nothing is taken
/// from the allocator for any of them.
#[test]
fn tenants_come_and_go() {
    let host = HostWorld::new(3);
    let mut agent = host.agent();
    let round = |agent: &mut _, step: u64| {
        let (_, function) = host.tenant(agent, 0, 64).unwrap();
        let pages: [u64; 32] = std::array::from_fn(|page| host.frame(100 + 2 * page as u64));
        agent
            .grant_pages(function, 0x8000_0000, 12, &pages)
            .unwrap();
        host.world.rounds(step % 7);
        agent.destroy(function).unwrap();
    };
    round(&mut agent, 0);
    let guests = allocations();
    let (guest, function) = host.tenant(&mut agent, 0, 64).unwrap();
    agent.destroy(function).unwrap();
    drop(guest);
    // What the test itself takes for a guest, if it does.
    let per_guest = allocations().0 - guests.0;
    let before = allocations();
    for step in 0..500 {
        round(&mut agent, step);
    }
    let after = allocations();
    assert_eq!(after.0 - before.0, 500 * per_guest);
    assert_eq!(after.1, before.1);
}

/// Nothing touches a guest's memory once its function is free.
#[test]
fn memory_is_untouched_afterwards() {
    let world = World::default();
    let [(guest_a, id_a), (guest_b, _)] = [world.guest(), world.guest()];
    let (mut a, mut b) = (attach(&world, &guest_a), attach(&world, &guest_b));
    connect(&mut a, &mut b);
    b.write(0, &pattern(4, 200_000));
    for step in 0..50 {
        let request = SendWr::write(b.region.segment(0, 200_000), a.region.remote(0));
        b.qp.post_send(&request.signaled()).unwrap();
        world.rounds(step);
        world.firmware(|firmware| firmware.begin_take_back(id_a));
        while !world.firmware(|firmware| firmware.is_free(id_a)) {
            world.rounds(1);
        }
        let mark = vec![0xa5; 256 * 1024];
        a.write(0, &mark);
        world.settle();
        assert!(a.read(0, mark.len()) == mark, "step {step}");
        let done = b.completion();
        assert!(
            matches!(
                done.status,
                Status::Success | Status::RemoteAccess | Status::RetryExceeded
            ),
            "{done:?}"
        );
        assert!(world.firmware(|firmware| firmware.give(id_a)));
        a = attach(&world, &guest_a);
        let (to_a, to_b) = (a.as_peer(), b.as_peer());
        b.reconnect(&to_a);
        a.device.connect(&a.qp, &to_b).unwrap();
    }
}

/// Copies that the engine has are waited for, and no further ones begin meanwhile.
#[test]
fn copies_in_flight_are_waited_for() {
    let world = World::default();
    let [(guest_a, id_a), (guest_b, _)] = [world.guest(), world.guest()];
    let (mut a, mut b) = (attach(&world, &guest_a), attach(&world, &guest_b));
    connect(&mut a, &mut b);
    let request = SendWr::write(b.region.segment(0, 200_000), a.region.remote(0));
    world.engine().hold(true);
    b.qp.post_send(&request.signaled()).unwrap();
    world.rounds(30);
    assert!(world.engine().held() > 0);
    world.firmware(|firmware| firmware.begin_take_back(id_a));
    world.rounds(30);
    assert!(!world.firmware(|firmware| firmware.is_free(id_a)));
    // Some of those that it has end, then the others; whatever is submitted from here on is held.
    let had = world.engine().held();
    world.engine().release(had / 2);
    world.rounds(30);
    assert!(!world.firmware(|firmware| firmware.is_free(id_a)));
    world.engine().release(had - had / 2);
    world.rounds(30);
    assert!(world.firmware(|firmware| firmware.is_free(id_a)));
    let mark = vec![0xa5; 200_000];
    a.write(0, &mark);
    world.engine().hold(false);
    world.settle();
    assert!(a.read(0, mark.len()) == mark);
    assert!(!b.completion().is_success());
}

/// The old guest's driver finds that nobody answers, and says so.
#[test]
fn the_old_driver_times_out() {
    let world = World::default();
    let (guest, id) = world.guest();
    let mut device: Device<Stepped> = world.attach(&guest).unwrap();
    device.set_timeout_ns(1_000_000);
    world.firmware(|firmware| firmware.begin_take_back(id));
    world.settle();
    assert_eq!(device.nop(), Err(Error::Timeout));
}
