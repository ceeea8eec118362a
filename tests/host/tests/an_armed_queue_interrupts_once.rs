//! An armed completion queue interrupts once, whenever it was armed; one that is polled never.

use std::time::{Duration, Instant};

use unimux_abi::counters::Counter;
use unimux_driver::{ArmKind, CqFlags, Opcode, RecvWr, SendWr};
use unimux_engine::cpu::CpuEngine;
use unimux_firmware::{Firmware, Quota};
use unimux_host_tests::{
    FirmwareThread, LIMIT_NS, Node, Pair, RAM_BYTES, Shape, Threaded, connect, new_guest,
};

fn send(pair: &mut Pair, solicited: bool) {
    pair.b.receive(RecvWr::empty());
    let request = SendWr::new(Opcode::Send);
    let request = if solicited {
        request.solicited()
    } else {
        request
    };
    assert!(pair.a.run(request).is_success());
    pair.world.settle();
}

fn interrupts(pair: &Pair) -> u64 {
    pair.world.interrupts(pair.ids[1])
}

#[test]
fn polling_costs_no_interrupt() {
    let mut pair = Pair::default();
    for _ in 0..10 {
        send(&mut pair, true);
    }
    assert_eq!(interrupts(&pair), 0);
}

#[test]
fn one_arming_is_one_interrupt() {
    let mut pair = Pair::default();
    for expected in 1..=5 {
        assert!(!pair.b.cq.arm(ArmKind::Next));
        send(&mut pair, false);
        send(&mut pair, false);
        assert_eq!(interrupts(&pair), expected);
        pair.b.completion();
        pair.b.completion();
    }
    assert_eq!(pair.world.counter(pair.ids[1], Counter::Interrupts), 5);
}

#[test]
fn solicited_only_waits_for_a_solicited_send() {
    let mut pair = Pair::default();
    assert!(!pair.b.cq.arm(ArmKind::Solicited));
    send(&mut pair, false);
    assert_eq!(interrupts(&pair), 0);
    send(&mut pair, true);
    assert_eq!(interrupts(&pair), 1);
}

#[test]
fn an_error_counts_as_solicited() {
    let mut pair = Pair::default();
    assert!(!pair.a.cq.arm(ArmKind::Solicited));
    let local = pair.a.region.segment(0, 8);
    let bad = SendWr::write(local, pair.b.region.remote(u64::MAX / 2));
    assert!(!pair.a.run(bad).is_success());
    pair.world.settle();
    assert_eq!(pair.world.interrupts(pair.ids[0]), 1);
}

#[test]
fn a_queue_made_without_interrupts_has_none() {
    let shape = Shape {
        flags: CqFlags::empty(),
        ..Shape::default()
    };
    let mut pair = Pair::new(shape);
    pair.b.cq.arm(ArmKind::Next);
    send(&mut pair, true);
    assert_eq!(interrupts(&pair), 0);
}

#[test]
fn arming_late_tells_that_completions_are_there() {
    let mut pair = Pair::default();
    send(&mut pair, false);
    assert!(pair.b.cq.arm(ArmKind::Next), "already there");
}

/// The race: the guest arms while the firmware completes. Either arming says so, or the interrupt
/// comes; never neither.
#[test]
fn no_wake_up_is_lost() {
    let mut firmware = Firmware::new(CpuEngine, [3; 32]);
    let guests = [(); 2].map(|()| {
        let (guest, config) = new_guest(2 * RAM_BYTES, Quota::default());
        firmware.add_function(config).unwrap();
        guest
    });
    let core = FirmwareThread::start(firmware, &guests);
    let [mut a, mut b] = guests.map(|guest| {
        let page = guest.ram.take(4096);
        let device = unimux_driver::Device::attach(Threaded::new(guest.doorbell), page).unwrap();
        Node::new(device, &guest, Shape::default())
    });
    connect(&mut a, &mut b);
    std::thread::scope(|scope| {
        let core = &core;
        scope.spawn(move || {
            for _ in 0..2000u32 {
                a.qp.post_send(&SendWr::new(Opcode::Send).signaled())
                    .unwrap();
                assert!(a.cq.wait_one(LIMIT_NS).unwrap().is_success());
            }
        });
        scope.spawn(move || {
            let mut taken = 0;
            b.receive(RecvWr::empty());
            while taken < 2000 {
                let before = core.interrupts();
                if !b.cq.arm(ArmKind::Next) {
                    let began = Instant::now();
                    while core.interrupts() == before {
                        assert!(began.elapsed() < Duration::from_secs(20), "a lost wake-up");
                        std::thread::yield_now();
                    }
                }
                while b.cq.poll_one().unwrap().is_some() {
                    taken += 1;
                    b.receive(RecvWr::empty());
                }
            }
        });
    });
    let _: Firmware<CpuEngine> = core.stop();
}
