//! Who sleeps until completions or events come is woken when they do; who polls never is.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use unimux_driver::{
    ArmKind, CommandStatus, Counter, CqFlags, Device, Error, Event, PhysicalFunction, Platform,
    SendWr,
};
use unimux_engine::cpu::CpuEngine;
use unimux_firmware::{Firmware, FunctionId, Progress, Quota};
use unimux_host_tests::host::HostWorld;
use unimux_host_tests::{
    FirmwareThread, Node, Pair, RAM_BYTES, Shape, Stepped, Threaded, World, connect, new_guest,
};

/// Frames of a tenant's RAM.
const RAM: u64 = 90;

/// A platform that sleeps, and has nobody but the function to wake it.
#[derive(Clone, Debug)]
struct Drowsy {
    awake: Stepped,
    id: FunctionId,
    slept: Rc<Cell<u32>>,
}

impl Platform for Drowsy {
    fn store_to_doorbell(&self, offset_bytes: u64, value: u64) {
        self.awake.store_to_doorbell(offset_bytes, value);
    }

    fn now_ns(&self) -> u64 {
        self.awake.now_ns()
    }

    fn relax(&self) {
        self.awake.relax();
    }

    fn polls_ns(&self) -> Option<u64> {
        Some(0)
    }

    fn sleep(&self, ns: u64) {
        assert!(ns > 0, "there is time to sleep");
        self.slept.set(self.slept.get() + 1);
        let world = self.awake.world();
        let before = world.interrupts(self.id);
        while world.interrupts(self.id) == before {
            assert_ne!(world.round(), Progress::Idle, "nobody wakes it");
        }
    }
}

/// A guest that sleeps, and how often it did.
fn drowsy(world: &World) -> (Node<Drowsy>, Rc<Cell<u32>>) {
    drowsy_with(world, Shape::default())
}

/// The same with queues of `shape`.
fn drowsy_with(world: &World, shape: Shape) -> (Node<Drowsy>, Rc<Cell<u32>>) {
    let (guest, id) = world.guest();
    let slept = Rc::<Cell<u32>>::default();
    let platform = Drowsy {
        awake: world.platform(&guest),
        id,
        slept: Rc::clone(&slept),
    };
    let device = Device::attach(platform, guest.ram.take(4096)).expect("attach");
    (Node::new(device, &guest, shape), slept)
}

#[test]
fn a_wait_sleeps_once_for_each_completion() {
    let world = World::default();
    let (mut a, slept) = drowsy(&world);
    let (mut b, _) = drowsy(&world);
    connect(&mut a, &mut b);
    for round in 1..=5 {
        let write = SendWr::write(a.region.segment(0, 4096), b.region.remote(0));
        assert!(a.run(write).is_success());
        assert_eq!(slept.get(), round);
    }
}

#[test]
fn a_queue_without_interrupts_is_polled() {
    let world = World::default();
    let shape = Shape {
        flags: CqFlags::empty(),
        ..Shape::default()
    };
    let (mut a, slept) = drowsy_with(&world, shape);
    let (mut b, _) = drowsy(&world);
    connect(&mut a, &mut b);
    let write = SendWr::write(a.region.segment(0, 8), b.region.remote(0));
    assert!(a.run(write).is_success());
    assert_eq!(slept.get(), 0);
}

#[test]
fn one_arming_is_one_interrupt_for_events_too() {
    let mut pair = Pair::default();
    let interrupts = |pair: &Pair| pair.world.interrupts(pair.ids[1]);
    send(&mut pair, 0);
    assert_eq!(interrupts(&pair), 0, "nobody sleeps");
    assert!(pair.b.device.arm_events(), "something is there already");
    assert_eq!(take(&mut pair), [0]);
    for round in 1..=5 {
        assert!(!pair.b.device.arm_events());
        send(&mut pair, round);
        send(&mut pair, 10 * round);
        assert_eq!(interrupts(&pair), round);
        assert_eq!(take(&mut pair), [round, 10 * round]);
    }
    assert_eq!(pair.world.counter(pair.ids[1], Counter::Interrupts), 5);
    assert_eq!(pair.world.interrupts(pair.ids[0]), 0, "nor the sender");
}

/// A message from `a` to `b`, and time for what follows from it.
fn send(pair: &mut Pair, number: u64) {
    let function = pair.b.device.limits().function;
    pair.a.device.message(function, [number; 3]).expect("room");
    pair.world.settle();
}

/// The messages that `b` has got.
fn take(pair: &mut Pair) -> Vec<u64> {
    let events = std::iter::from_fn(|| pair.b.device.poll_event().expect("sense"));
    let numbers = events.map(|event| match event {
        Event::Message { words, .. } => words[0],
        other => panic!("{other:?}"),
    });
    numbers.collect()
}

/// A guest that had taken an event before it armed is not woken for it: it would find nothing, arm
/// again with the same word, which was answered, and sleep for ever.
#[test]
fn an_arming_is_not_answered_for_what_was_taken_before() {
    let mut pair = Pair::default();
    let to = pair.b.device.limits().function;
    // The event is there, and the firmware has not looked yet whether somebody sleeps.
    pair.a.device.message(to, [1; 3]).expect("room");
    assert_eq!(take(&mut pair), [1]);
    assert!(!pair.b.device.arm_events());
    pair.world.settle();
    assert_eq!(pair.world.interrupts(pair.ids[1]), 0);
    send(&mut pair, 2);
    assert_eq!(pair.world.interrupts(pair.ids[1]), 1);
}

#[test]
fn an_error_of_a_queue_pair_is_an_event() {
    let mut pair = Pair::default();
    assert!(!pair.a.device.arm_events());
    let bad = SendWr::write(
        pair.a.region.segment(0, 8),
        pair.b.region.remote(u64::MAX / 2),
    );
    assert!(!pair.a.run(bad).is_success());
    pair.world.settle();
    assert_eq!(pair.world.interrupts(pair.ids[0]), 1);
}

/// The race: the guest arms while the event is written. Either arming says so, or the interrupt
/// comes; never neither.
#[test]
fn no_event_is_slept_through() {
    const MESSAGES: u64 = 2000;
    let mut firmware = Firmware::new(CpuEngine, [3; 32]);
    let guests = [(); 2].map(|()| {
        let (guest, config) = new_guest(RAM_BYTES, Quota::default());
        firmware.add_function(config).expect("room");
        guest
    });
    let core = FirmwareThread::start(firmware, &guests);
    let [mut a, mut b] = guests.map(|guest| {
        let page = guest.ram.take(4096);
        Device::attach(Threaded::new(guest.doorbell), page).expect("attach")
    });
    let to = b.limits().function;
    std::thread::scope(|scope| {
        let core = &core;
        scope.spawn(move || {
            let began = Instant::now();
            for number in 0..MESSAGES {
                while a.message(to, [number; 3]) == Err(Error::Refused(CommandStatus::PeerBusy)) {
                    assert!(
                        began.elapsed() < Duration::from_secs(60),
                        "nobody takes them"
                    );
                    std::thread::yield_now();
                }
            }
        });
        scope.spawn(move || {
            let mut taken = 0;
            while taken < MESSAGES {
                let before = core.interrupts();
                if !b.arm_events() {
                    let began = Instant::now();
                    while core.interrupts() == before {
                        assert!(began.elapsed() < Duration::from_secs(20), "a lost wake-up");
                        std::thread::yield_now();
                    }
                }
                while b.poll_event().expect("sense").is_some() {
                    taken += 1;
                }
            }
        });
    });
    let _: Firmware<CpuEngine> = core.stop();
}

/// Tenants of a host, connected, and their functions.
fn tenants(host: &HostWorld, agent: &mut PhysicalFunction<Stepped>) -> [(Node<Stepped>, u16); 2] {
    let mut tenant = |first| {
        let (vm, function) = host.tenant(agent, first, RAM).expect("a tenant");
        let node = Node::new(host.attach(&vm), &vm, Shape::default());
        (node, function)
    };
    let [mut a, mut b] = [tenant(0), tenant(100)];
    connect(&mut a.0, &mut b.0);
    [a, b]
}

/// The functions that the agent is told of.
fn told(agent: &mut PhysicalFunction<Stepped>) -> Vec<u64> {
    let events = std::iter::from_fn(|| agent.poll_event().expect("sense"));
    let masks = events.map(|event| match event {
        Event::TenantCompletions { functions } => functions,
        other => panic!("{other:?}"),
    });
    masks.collect()
}

#[test]
fn the_host_of_a_tenant_is_told() {
    let host = HostWorld::new(2);
    let mut agent = host.agent();
    let [(mut a, one), (mut b, other)] = tenants(&host, &mut agent);
    let write = SendWr::write(a.region.segment(0, 8), b.region.remote(0));
    let to = b.device.limits().function;
    a.run(write);
    a.device.message(to, [1; 3]).expect("room");
    host.world.settle();
    assert!(told(&mut agent).is_empty(), "nobody sleeps");
    b.device.poll_event().expect("sense");

    assert!(!a.cq.arm(ArmKind::Next));
    a.run(write);
    host.world.settle();
    assert_eq!(told(&mut agent), [1 << one]);

    assert!(!b.device.arm_events());
    a.device.message(to, [1; 3]).expect("room");
    host.world.settle();
    assert_eq!(told(&mut agent), [1 << other]);
}

/// A tenant that sleeps and wakes faster than the agent looks fills the agent's ring, and no more.
#[test]
fn a_tenant_cannot_take_anothers_wake_up() {
    let host = HostWorld::new(2);
    let mut agent = host.agent();
    let [(mut a, one), (mut b, other)] = tenants(&host, &mut agent);
    let write = SendWr::write(a.region.segment(0, 8), b.region.remote(0));
    for _ in 0..100 {
        assert!(!a.cq.arm(ArmKind::Next));
        a.run(write);
        host.world.settle();
    }
    let to = b.device.limits().function;
    assert!(!b.device.arm_events());
    a.device.message(to, [1; 3]).expect("room");
    host.world.settle();
    let first = told(&mut agent);
    assert!(first.len() < 32 && first.iter().all(|it| *it == 1 << one));
    // What there was no room for is told when the agent asks.
    agent.make_tell();
    host.world.rounds(100);
    let functions = told(&mut agent).iter().fold(0, |all, it| all | it);
    assert_eq!(functions, 1 << one | 1 << other);
    assert_eq!(agent.lost_events(), 0);
}
