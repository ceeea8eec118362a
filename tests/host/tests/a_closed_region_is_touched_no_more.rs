//! A closed memory region is touched no more from the moment the closing is answered, whatever
//! was under way; and a queue pair that is gone leaves nothing behind.

use unimux_driver::{Access, Detail, Error, MemoryRegion, QpState, SendWr, Status};
use unimux_host_tests::{Pair, Shape, pattern};

/// So many blocks that a command is served before the last one.
const LEN: u32 = 1_500_000;
const MARK: u8 = 0xa5;

fn pair() -> Pair {
    Pair::new(Shape {
        data_bytes: 2 << 20,
        ..Shape::default()
    })
}

fn again(pair: &mut Pair) -> MemoryRegion {
    let (pd, data) = (pair.b.pd, pair.b.data);
    let made = pair.b.device.register_range(
        pd,
        data.ipa(),
        data.len_bytes(),
        pair.b.region.iova,
        Access::all(),
    );
    made.expect("there is room")
}

/// A long write or read is under way when the peer's region is closed; it has had `rounds`.
fn close_under_way(read: bool, rounds: u64, reopened: bool) -> bool {
    let mut pair = pair();
    pair.a.write(0, &pattern(1, LEN as usize));
    let (local, remote) = (pair.a.region.segment(0, LEN), pair.b.region.remote(0));
    let request = if read {
        SendWr::read(local, remote)
    } else {
        SendWr::write(local, remote)
    };
    pair.a.qp.post_send(&request.signaled()).expect("room");
    pair.world.rounds(rounds);
    let ended = pair.a.cq.poll_one().expect("sense");
    let region = pair.b.region;
    pair.b.device.deregister(region).expect("it is there");
    // A new region over the same memory has other keys, though it may have the same place.
    let fresh: Vec<MemoryRegion> = (0..if reopened { 40 } else { 0 })
        .map(|_| again(&mut pair))
        .collect();
    assert!(fresh.iter().all(|new| new.rkey != region.rkey));
    pair.b.write(0, &[MARK; LEN as usize]);
    let done = ended.unwrap_or_else(|| pair.a.completion());
    pair.world.settle();
    if !read {
        let bytes = pair.b.read(0, LEN as usize);
        assert!(
            bytes.iter().all(|byte| *byte == MARK),
            "after {rounds} rounds"
        );
    }
    assert!(
        done.is_success() || (done.status, done.detail) == (Status::RemoteAccess, Detail::Key),
        "{done:?} after {rounds} rounds"
    );
    done.is_success()
}

#[test]
fn by_a_write_or_a_read_under_way() {
    let mut cut_short = 0;
    for rounds in (0..120).step_by(9) {
        for (read, reopened) in [(false, false), (true, false), (false, true)] {
            cut_short += u32::from(!close_under_way(read, rounds, reopened));
        }
    }
    assert!(cut_short >= 6, "{cut_short} transfers of 42");
}

#[test]
fn by_copies_that_the_engine_still_has() {
    let mut pair = pair();
    pair.world.engine().hold(true);
    let request = SendWr::write(pair.a.region.segment(0, LEN), pair.b.region.remote(0));
    pair.a.qp.post_send(&request.signaled()).unwrap();
    pair.world.rounds(30);
    assert!(pair.world.engine().held() > 0);
    assert_eq!(pair.b.device.nop(), Ok(()), "commands are served meanwhile");
    pair.b.device.set_timeout_ns(1_000_000);
    let region = pair.b.region;
    assert_eq!(
        pair.b.device.deregister(region),
        Err(Error::Timeout),
        "not answered while bytes can still move"
    );
    pair.world.engine().hold(false);
    pair.b.device.nop().unwrap();
    pair.b.write(0, &[MARK; LEN as usize]);
    pair.world.settle();
    assert!(
        pair.b
            .read(0, LEN as usize)
            .iter()
            .all(|byte| *byte == MARK)
    );
}

#[test]
fn a_senders_own_region_as_well() {
    let mut pair = pair();
    let request = SendWr::write(pair.a.region.segment(0, LEN), pair.b.region.remote(0));
    pair.a.qp.post_send(&request.signaled()).unwrap();
    pair.world.rounds(1);
    let region = pair.a.region;
    pair.a.device.deregister(region).unwrap();
    let done = pair.a.completion();
    assert_eq!(
        (done.status, done.detail),
        (Status::LocalProtection, Detail::Key)
    );
}

#[test]
fn queue_pairs_come_and_go_with_work_under_way() {
    let mut pair = pair();
    for step in 0..60u64 {
        let held = step % 3 == 1;
        pair.world.engine().hold(held);
        let request = SendWr::write(pair.a.region.segment(0, LEN), pair.b.region.remote(0));
        pair.a.qp.enqueue_send(&request.signaled()).unwrap();
        pair.a.qp.post_send(&request.signaled()).unwrap();
        pair.world.rounds(step % 29);
        pair.a.device.set_timeout_ns(1_000_000);
        let reset = pair.a.device.modify_qp(&pair.a.qp, QpState::Reset, None);
        if held && pair.world.engine().held() > 0 {
            assert_eq!(reset, Err(Error::Timeout), "copies are in flight");
        }
        pair.world.engine().hold(false);
        pair.a.device.nop().unwrap();
        pair.b.write(0, &[MARK; LEN as usize]);
        pair.world.settle();
        let bytes = pair.b.read(0, LEN as usize);
        assert!(bytes.iter().all(|byte| *byte == MARK), "step {step}");
        pair.reconnect();
        let request = SendWr::write_u64(step, pair.b.region.remote(8));
        assert!(pair.a.run(request).is_success());
        assert_eq!(pair.b.read(8, 8), step.to_le_bytes());
    }
}
