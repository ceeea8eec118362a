//! A receiver that is not ready is waited for as often as the sender asked, and no other queue
//! pair waits with it.

use unimux_abi::counters::Counter;
use unimux_driver::{Detail, Opcode, Peer, QpState, RecvWr, SendWr, Status};
use unimux_host_tests::Pair;

fn with_retries(rnr_retries: u8) -> Pair {
    let mut pair = Pair::default();
    let b = Peer {
        rnr_retries,
        ..pair.b.as_peer()
    };
    pair.a.reconnect(&b);
    pair
}

#[test]
fn no_retries_end_at_once() {
    let mut pair = with_retries(0);
    let done = pair.a.run(SendWr::new(Opcode::Send));
    assert_eq!(
        (done.status, done.detail),
        (Status::ReceiverNotReadyRetryExceeded, Detail::None)
    );
    assert_eq!(pair.a.device.query_qp(&pair.a.qp), Ok(QpState::Error));
    assert_eq!(
        pair.world.counter(pair.ids[0], Counter::ReceiverNotReady),
        1
    );
}

#[test]
fn some_retries_are_made_and_then_it_ends() {
    for retries in [1, 3, 6] {
        let mut pair = with_retries(retries);
        let done = pair.a.run(SendWr::new(Opcode::Send));
        assert_eq!(done.status, Status::ReceiverNotReadyRetryExceeded);
        let waits = pair.world.counter(pair.ids[0], Counter::ReceiverNotReady);
        assert_eq!(waits, u64::from(retries) + 1);
    }
}

#[test]
fn seven_retries_are_for_ever() {
    let mut pair = with_retries(7);
    pair.a.write(0, b"patience");
    let local = pair.a.region.segment(0, 8);
    pair.a
        .qp
        .post_send(&SendWr::send(local).signaled())
        .unwrap();
    pair.world.rounds(100_000);
    assert_eq!(pair.a.cq.poll_one(), Ok(None));
    pair.b.receive(RecvWr::new(pair.b.region.segment(0, 8)));
    assert!(pair.a.completion().is_success());
    assert_eq!(pair.b.read(0, 8), b"patience");
}

#[test]
fn a_write_without_immediate_needs_no_receive() {
    let mut pair = with_retries(0);
    let local = pair.a.region.segment(0, 8);
    let remote = pair.b.region.remote(0);
    assert!(pair.a.run(SendWr::write(local, remote)).is_success());
    let imm = SendWr::write_imm(local, remote, 1);
    assert_eq!(
        pair.a.run(imm).status,
        Status::ReceiverNotReadyRetryExceeded
    );
}

#[test]
fn others_go_on_meanwhile() {
    let mut pair = with_retries(7);
    pair.a.qp.post_send(&SendWr::new(Opcode::Send)).unwrap();
    pair.world.rounds(1000);
    let local = pair.b.region.segment(0, 64);
    let remote = pair.a.region.remote(0);
    for _ in 0..100 {
        assert!(pair.b.run(SendWr::write(local, remote)).is_success());
    }
}

#[test]
fn waiting_does_not_keep_the_engine_core_busy() {
    let mut pair = with_retries(7);
    pair.a.qp.post_send(&SendWr::new(Opcode::Send)).unwrap();
    pair.world.rounds(10_000);
    // Ten milliseconds, and one try every ten microseconds at the most.
    let waits = pair.world.counter(pair.ids[0], Counter::ReceiverNotReady);
    assert!((10..=1_000).contains(&waits), "{waits} tries");
}
