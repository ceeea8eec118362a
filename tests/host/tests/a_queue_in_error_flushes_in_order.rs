//! A queue pair in the error state completes all that was posted, in order, as flushed.

use unimux_abi::counters::Counter;
use unimux_driver::{CommandStatus, Error, Opcode, QpState, RecvWr, SendWr, Status};
use unimux_host_tests::{Node, Pair, Stepped};

fn all(node: &mut Node<Stepped>) -> Vec<(Opcode, u64, Status)> {
    let mut ends = Vec::new();
    while let Some(done) = node.cq.poll_one().expect("nothing refuses this") {
        ends.push((done.opcode, done.id, done.status));
    }
    ends
}

fn of(ends: &[(Opcode, u64, Status)], receives: bool) -> Vec<(u64, Status)> {
    ends.iter()
        .filter(|(opcode, ..)| (*opcode == Opcode::Receive) == receives)
        .map(|&(_, id, status)| (id, status))
        .collect()
}

#[test]
fn what_follows_an_error_is_flushed_signaled_or_not() {
    let mut pair = Pair::default();
    for id in 0..4 {
        pair.a.receive(RecvWr::empty().id(100 + id));
    }
    let local = pair.a.region.segment(0, 8);
    let good = SendWr::write(local, pair.b.region.remote(0));
    let bad = SendWr::write(local, pair.b.region.remote(u64::MAX / 2));
    for (id, request) in [good, good.signaled(), bad, good, good.signaled(), bad]
        .into_iter()
        .enumerate()
    {
        pair.a.qp.enqueue_send(&request.id(id as u64)).unwrap();
    }
    pair.a.qp.ring();
    pair.world.settle();
    let ends = all(&mut pair.a);
    assert_eq!(
        of(&ends, false),
        [
            (1, Status::Success),
            (2, Status::RemoteAccess),
            (3, Status::Flushed),
            (4, Status::Flushed),
            (5, Status::Flushed),
        ]
    );
    let receives: Vec<_> = (100..104).map(|id| (id, Status::Flushed)).collect();
    assert_eq!(of(&ends, true), receives);
    assert_eq!(pair.world.counter(pair.ids[0], Counter::Flushed), 7);
    assert_eq!(pair.world.counter(pair.ids[0], Counter::Failed), 1);
}

#[test]
fn what_is_posted_afterwards_is_flushed_too() {
    let mut pair = Pair::default();
    pair.a
        .device
        .modify_qp(&pair.a.qp, QpState::Error, None)
        .unwrap();
    let local = pair.a.region.segment(0, 8);
    for id in 0..40 {
        let request = SendWr::write(local, pair.b.region.remote(0)).id(id);
        pair.a.qp.post_send(&request).unwrap();
        let done = pair.a.completion();
        assert_eq!((done.id, done.status), (id, Status::Flushed));
    }
    pair.a.receive(RecvWr::empty().id(5));
    pair.a.qp.ring();
    let done = pair.a.completion();
    assert_eq!(
        (done.opcode, done.id, done.status),
        (Opcode::Receive, 5, Status::Flushed)
    );
    assert_eq!(pair.b.read(0, 8), [0; 8], "nothing was moved");
}

#[test]
fn a_request_that_waits_for_a_receive_is_flushed() {
    let mut pair = Pair::default();
    pair.a
        .qp
        .post_send(&SendWr::new(Opcode::Send).id(1))
        .unwrap();
    pair.world.rounds(100);
    pair.a
        .device
        .modify_qp(&pair.a.qp, QpState::Error, None)
        .unwrap();
    let done = pair.a.completion();
    assert_eq!((done.id, done.status), (1, Status::Flushed));
}

#[test]
fn a_request_with_copies_in_flight_ends_after_them() {
    let mut pair = Pair::default();
    pair.a.write(0, &[7; 100_000]);
    pair.world.engine().hold(true);
    let request = SendWr::write(pair.a.region.segment(0, 100_000), pair.b.region.remote(0));
    pair.a.qp.post_send(&request.id(1).signaled()).unwrap();
    pair.world.rounds(50);
    assert!(pair.world.engine().held() > 0);
    pair.a.device.set_timeout_ns(1_000_000);
    let stopped = pair.a.device.modify_qp(&pair.a.qp, QpState::Error, None);
    pair.world.rounds(1000);
    assert_eq!(
        pair.a.cq.poll_one(),
        Ok(None),
        "bytes still move, so it has not ended: {stopped:?}"
    );
    pair.world.engine().hold(false);
    let done = pair.a.completion();
    assert_eq!(done.id, 1);
}

#[test]
fn a_reset_forgets_what_was_posted_and_begins_anew() {
    let mut pair = Pair::default();
    let local = pair.a.region.segment(0, 8);
    for lap in 0..20u64 {
        let posted = lap % 16 + 1;
        for id in 0..posted {
            pair.b.receive(RecvWr::empty().id(id));
        }
        let bad = SendWr::write(local, pair.b.region.remote(u64::MAX / 2));
        assert_eq!(pair.a.run(bad).status, Status::RemoteAccess);
        pair.reconnect();
        assert_eq!(pair.a.qp.send_room(), 16);
        assert_eq!(pair.b.qp.recv_room(), 16);
        pair.b.receive(RecvWr::empty().id(99));
        assert!(pair.a.run(SendWr::new(Opcode::Send)).is_success());
        assert_eq!(pair.b.completion().id, 99);
    }
}

#[test]
fn states_go_only_where_the_iba_lets_them() {
    let mut pair = Pair::default();
    let wrong = Err(Error::Refused(CommandStatus::WrongState));
    let b = pair.b.as_peer();
    let mut modify = |state, peer| pair.a.device.modify_qp(&pair.a.qp, state, peer);
    // From ready-to-send.
    assert_eq!(modify(QpState::Init, None), wrong);
    assert_eq!(modify(QpState::ReadyToReceive, Some(&b)), wrong);
    modify(QpState::Error, None).unwrap();
    // From error.
    assert_eq!(modify(QpState::Init, None), wrong);
    assert_eq!(modify(QpState::ReadyToSend, None), wrong);
    modify(QpState::Reset, None).unwrap();
    // From reset.
    assert_eq!(modify(QpState::ReadyToReceive, Some(&b)), wrong);
    assert_eq!(modify(QpState::ReadyToSend, None), wrong);
    modify(QpState::Init, None).unwrap();
    assert_eq!(modify(QpState::ReadyToSend, None), wrong);
    modify(QpState::ReadyToReceive, Some(&b)).unwrap();
    modify(QpState::ReadyToSend, None).unwrap();
}
