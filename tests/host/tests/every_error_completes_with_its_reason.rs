//! Every way in which a request can be wrong ends in a completion that says which.

use unimux_abi::work;
use unimux_driver::{
    Access, Completion, Detail, Event, MemoryRegion, Opcode, Peer, QpState, RecvWr, Remote,
    Segment, SendWr, Status,
};
use unimux_host_tests::{Node, Pair, Shape, Stepped};

/// What the request that `make` makes ends with, on a fresh pair.
fn outcome(make: impl FnOnce(&mut Pair) -> SendWr) -> (Status, Detail) {
    let (pair, done) = run(make);
    assert!(
        done.status == Status::Success || pair.a_state() == QpState::Error,
        "an error stops the queue pair"
    );
    (done.status, done.detail)
}

struct Ended(Pair);

impl Ended {
    fn a_state(mut self) -> QpState {
        self.0
            .a
            .device
            .query_qp(&self.0.a.qp)
            .expect("nothing refuses this")
    }
}

fn run(make: impl FnOnce(&mut Pair) -> SendWr) -> (Ended, Completion) {
    let mut pair = Pair::default();
    let request = make(&mut pair);
    let done = pair.a.run(request.id(0xabc));
    assert_eq!(done.id, 0xabc);
    (Ended(pair), done)
}

/// A region of `node` over its data with other rights, in another protection domain if asked.
fn region(node: &mut Node<Stepped>, access: Access, other_pd: bool) -> MemoryRegion {
    let pd = if other_pd {
        node.device.alloc_pd().expect("nothing refuses this")
    } else {
        node.pd
    };
    node.device
        .register_range(pd, node.data.ipa(), node.data.len_bytes(), 0, access)
        .expect("nothing refuses this")
}

fn here(pair: &Pair) -> Segment {
    pair.a.region.segment(0, 64)
}

fn there(pair: &Pair) -> Remote {
    pair.b.region.remote(0)
}

/// `request` with its head changed.
fn head(request: SendWr, change: impl FnOnce(work::Head) -> work::Head) -> SendWr {
    let mut entry = *request.entry();
    entry.0[0] = change(entry.head()).into_bits();
    SendWr::from_entry(entry)
}

#[test]
fn an_unknown_opcode() {
    let wrong = (Status::LocalQpOperation, Detail::Opcode);
    for opcode in [8, 100, 255] {
        assert_eq!(
            outcome_of_broken(|pair| {
                head(SendWr::write(here(pair), there(pair)), |head| {
                    head.with_opcode(opcode)
                })
            }),
            wrong
        );
    }
    assert_eq!(outcome(|_| SendWr::new(Opcode::Receive)), wrong);
}

/// As [`outcome`], of a request whose completion carries an opcode that the driver does not know:
/// read from the ring itself.
fn outcome_of_broken(make: impl FnOnce(&mut Pair) -> SendWr) -> (Status, Detail) {
    let mut pair = Pair::default();
    let request = make(&mut pair);
    pair.a
        .qp
        .post_send(&request.signaled())
        .expect("nothing refuses this");
    pair.world.settle();
    let word = |i: usize| pair.a.cq_block.words()[i].load(std::sync::atomic::Ordering::Acquire);
    let entry = unimux_abi::completion::Entry([word(0), word(1), word(2), word(3)]);
    (
        Status::from_bits(entry.head().status()).expect("nothing refuses this"),
        Detail::from_bits(entry.detail()).expect("nothing refuses this"),
    )
}

#[test]
fn unknown_flags_or_flags_that_do_not_go_with_the_opcode() {
    let wrong = (Status::LocalQpOperation, Detail::Flags);
    let unknown = outcome(|pair| {
        head(SendWr::write(here(pair), there(pair)), |head| {
            head.with_flags(head.flags() | 0x80)
        })
    });
    assert_eq!(unknown, wrong);
    let inline_read = outcome(|pair| {
        SendWr::new(Opcode::Read)
            .to(there(pair))
            .inline(&[1])
            .unwrap()
    });
    assert_eq!(inline_read, wrong);
    let inline_atomic = outcome(|pair| {
        let request = SendWr::fetch_add(pair.a.region.segment(0, 8), there(pair), 1);
        request.inline(&[1; 8]).unwrap()
    });
    assert_eq!(inline_atomic, wrong);
}

#[test]
fn more_segments_than_there_are() {
    let wrong = (Status::LocalQpOperation, Detail::Segments);
    for segments in [3, 255] {
        let many = outcome(|pair| {
            head(SendWr::write(here(pair), there(pair)), |head| {
                head.with_segments(segments)
            })
        });
        assert_eq!(many, wrong);
    }
    let two = outcome(|pair| {
        let eight = pair.a.region.segment(0, 8);
        SendWr::fetch_add(eight, there(pair), 1).and(eight)
    });
    assert_eq!(two, wrong);
    let none = outcome(|pair| SendWr::new(Opcode::CompareSwap).to(there(pair)));
    assert_eq!(none, wrong);
}

#[test]
fn more_inline_data_than_there_is_room() {
    for len_bytes in [33u64, u64::from(u32::MAX)] {
        let done = outcome(|pair| {
            let mut entry = *SendWr::write_u64(1, there(pair)).entry();
            entry.0[3] = entry.0[3] & 0xffff_ffff | len_bytes << 32;
            SendWr::from_entry(entry)
        });
        assert_eq!(done, (Status::LocalQpOperation, Detail::InlineLength));
    }
}

#[test]
fn an_atomic_that_is_not_of_eight_bytes() {
    for len_bytes in [0, 4, 16] {
        let done = outcome(|pair| {
            let local = pair.a.region.segment(0, len_bytes);
            SendWr::fetch_add(local, there(pair), 1)
        });
        assert_eq!(done, (Status::LocalLength, Detail::Length), "{len_bytes}");
    }
}

#[test]
fn a_local_key_that_is_wrong() {
    let key = outcome(|pair| {
        let mut local = here(pair);
        local.lkey ^= 0x4000_0000;
        SendWr::write(local, there(pair))
    });
    assert_eq!(key, (Status::LocalProtection, Detail::Key));
    let remote_as_local = outcome(|pair| {
        let mut local = here(pair);
        local.lkey = pair.a.region.rkey;
        SendWr::write(local, there(pair))
    });
    assert_eq!(remote_as_local, (Status::LocalProtection, Detail::Key));
    let of_another_function = outcome(|pair| {
        let mut local = here(pair);
        local.lkey = pair.b.region.lkey;
        SendWr::write(local, there(pair))
    });
    assert_eq!(of_another_function, (Status::LocalProtection, Detail::Key));
}

#[test]
fn a_local_region_of_another_protection_domain() {
    let done = outcome(|pair| {
        let other = region(&mut pair.a, Access::all(), true);
        SendWr::write(other.segment(0, 8), there(pair))
    });
    assert_eq!(done, (Status::LocalProtection, Detail::ProtectionDomain));
}

#[test]
fn a_local_range_that_leaves_its_region() {
    for (address, len_bytes) in [(u64::MAX - 3, 8), (0, 1), (u64::MAX, 1)] {
        let done = outcome(|pair| {
            let mut local = here(pair);
            local.address = address;
            local.len_bytes = len_bytes;
            SendWr::write(local, there(pair))
        });
        assert_eq!(done, (Status::LocalProtection, Detail::Bounds));
    }
    let end = outcome(|pair| {
        let local = pair.a.region.segment(pair.a.region.len_bytes - 7, 8);
        SendWr::write(local, there(pair))
    });
    assert_eq!(end, (Status::LocalProtection, Detail::Bounds));
}

#[test]
fn a_local_region_that_may_not_be_written() {
    let wrong = (Status::LocalProtection, Detail::Access);
    let read = outcome(|pair| {
        let sealed = region(&mut pair.a, Access::REMOTE_READ, false);
        SendWr::read(sealed.segment(0, 8), there(pair))
    });
    assert_eq!(read, wrong);
    let atomic = outcome(|pair| {
        let sealed = region(&mut pair.a, Access::REMOTE_READ, false);
        SendWr::fetch_add(sealed.segment(0, 8), there(pair), 1)
    });
    assert_eq!(atomic, wrong);
    let write = outcome(|pair| {
        let sealed = region(&mut pair.a, Access::empty(), false);
        SendWr::write(sealed.segment(0, 8), there(pair))
    });
    assert_eq!(
        write,
        (Status::Success, Detail::None),
        "reading needs no right"
    );
}

#[test]
fn a_remote_key_that_is_wrong() {
    let key = outcome(|pair| {
        let mut remote = there(pair);
        remote.rkey ^= 0x4000_0000;
        SendWr::write(here(pair), remote)
    });
    assert_eq!(key, (Status::RemoteAccess, Detail::Key));
    let local_as_remote = outcome(|pair| {
        let mut remote = there(pair);
        remote.rkey = pair.b.region.lkey;
        SendWr::write(here(pair), remote)
    });
    assert_eq!(local_as_remote, (Status::RemoteAccess, Detail::Key));
    let own = outcome(|pair| SendWr::write(here(pair), pair.a.region.remote(0)));
    assert_eq!(own, (Status::RemoteAccess, Detail::Key));
    let gone = outcome(|pair| {
        let gone = region(&mut pair.b, Access::all(), false);
        pair.b.device.deregister(gone).unwrap();
        SendWr::write(here(pair), gone.remote(0))
    });
    assert_eq!(gone, (Status::RemoteAccess, Detail::Key));
}

#[test]
fn a_remote_region_of_another_protection_domain() {
    let done = outcome(|pair| {
        let other = region(&mut pair.b, Access::all(), true);
        SendWr::read(here(pair), other.remote(0))
    });
    assert_eq!(done, (Status::RemoteAccess, Detail::ProtectionDomain));
}

#[test]
fn a_remote_range_that_leaves_its_region() {
    let end = outcome(|pair| {
        let end = pair.b.region.len_bytes;
        SendWr::write(here(pair), pair.b.region.remote(end - 63))
    });
    assert_eq!(end, (Status::RemoteAccess, Detail::Bounds));
    for address in [0, u64::MAX, u64::MAX - 62] {
        let wild = outcome(|pair| {
            let rkey = pair.b.region.rkey;
            SendWr::write(here(pair), Remote { address, rkey })
        });
        assert_eq!(wild, (Status::RemoteAccess, Detail::Bounds));
    }
}

#[test]
fn rights_that_the_remote_region_does_not_give() {
    let wrong = (Status::RemoteAccess, Detail::Access);
    let rights = Access::all();
    for (without, request) in [
        (Access::REMOTE_WRITE, Opcode::Write),
        (Access::REMOTE_READ, Opcode::Read),
        (Access::REMOTE_ATOMIC, Opcode::FetchAdd),
        (Access::REMOTE_ATOMIC, Opcode::CompareSwap),
    ] {
        let done = outcome(|pair| {
            let sealed = region(&mut pair.b, rights - without, false);
            let local = pair.a.region.segment(0, 8);
            SendWr::new(request).and(local).to(sealed.remote(0))
        });
        assert_eq!(done, wrong, "{request:?}");
    }
}

#[test]
fn rights_that_the_remote_queue_pair_does_not_give() {
    let wrong = (Status::RemoteAccess, Detail::Access);
    for (without, request) in [
        (Access::REMOTE_WRITE, Opcode::Write),
        (Access::REMOTE_READ, Opcode::Read),
        (Access::REMOTE_ATOMIC, Opcode::FetchAdd),
    ] {
        let done = outcome(|pair| {
            let a = Peer {
                access: Access::all() - without,
                ..pair.a.as_peer()
            };
            pair.b.reconnect(&a);
            let local = pair.a.region.segment(0, 8);
            SendWr::new(request).and(local).to(there(pair))
        });
        assert_eq!(done, wrong, "{request:?}");
    }
}

#[test]
fn an_atomic_on_an_odd_address() {
    for offset in [1, 4, 7] {
        let done = outcome(|pair| {
            let local = pair.a.region.segment(0, 8);
            SendWr::fetch_add(local, pair.b.region.remote(offset), 1)
        });
        assert_eq!(done, (Status::RemoteInvalidRequest, Detail::Alignment));
    }
}

#[test]
fn a_peer_that_is_not_connected_back() {
    let wrong = (Status::RetryExceeded, Detail::NotConnected);
    let reset = outcome(|pair| {
        pair.b
            .device
            .reset_qp(&mut pair.b.qp, &pair.b.cq, &pair.b.cq)
            .unwrap();
        SendWr::write(here(pair), there(pair))
    });
    assert_eq!(reset, wrong);
    let destroyed = outcome(|pair| {
        pair.b.device.destroy_qp(&mut pair.b.qp).unwrap();
        SendWr::write(here(pair), there(pair))
    });
    assert_eq!(destroyed, wrong);
    let elsewhere = outcome(|pair| {
        let own = pair.b.as_peer();
        pair.b.reconnect(&own);
        SendWr::write(here(pair), there(pair))
    });
    assert_eq!(elsewhere, wrong);
}

#[test]
fn a_peer_whose_function_is_taken_back() {
    let mut pair = Pair::default();
    pair.world
        .firmware(|firmware| firmware.begin_take_back(pair.ids[1]));
    pair.world.settle();
    let done = pair.a.run(SendWr::write(here(&pair), there(&pair)));
    assert_eq!(
        (done.status, done.detail),
        (Status::RetryExceeded, Detail::NotConnected)
    );
}

#[test]
fn a_receive_that_is_too_small() {
    let mut pair = Pair::default();
    pair.b
        .receive(RecvWr::new(pair.b.region.segment(0, 63)).id(9));
    let done = pair.a.run(SendWr::send(here(&pair)));
    assert_eq!(
        (done.status, done.detail),
        (Status::RemoteInvalidRequest, Detail::ReceiveLength)
    );
    let got = pair.b.completion();
    assert_eq!((got.id, got.status), (9, Status::LocalLength));
    assert_eq!(pair.b.device.query_qp(&pair.b.qp), Ok(QpState::Error));
}

#[test]
fn a_receive_whose_memory_may_not_be_used() {
    let wrong: [fn(&mut Pair) -> Segment; 3] = [
        |pair| Segment {
            lkey: pair.b.region.lkey ^ 0x4000_0000,
            ..pair.b.region.segment(0, 64)
        },
        |pair| pair.b.region.segment(pair.b.region.len_bytes - 8, 64),
        |pair| region(&mut pair.b, Access::empty(), false).segment(0, 64),
    ];
    for make in wrong {
        let mut pair = Pair::default();
        let segment = make(&mut pair);
        pair.b.receive(RecvWr::new(segment).id(9));
        let done = pair.a.run(SendWr::send(here(&pair)));
        assert_eq!(
            (done.status, done.detail),
            (Status::RemoteOperation, Detail::ReceiveProtection)
        );
        let got = pair.b.completion();
        assert_eq!((got.id, got.status), (9, Status::LocalProtection));
    }
}

#[test]
fn a_receive_entry_that_makes_no_sense() {
    let mut pair = Pair::default();
    let mut entry = *SendWr::send(pair.b.region.segment(0, 64)).entry();
    entry.0[1] = 9;
    pair.b.receive(RecvWr::from_entry(entry));
    let done = pair.a.run(SendWr::send(here(&pair)));
    assert_eq!(
        (done.status, done.detail),
        (Status::RemoteOperation, Detail::ReceiveEntry)
    );
    let got = pair.b.completion();
    assert_eq!((got.id, got.status), (9, Status::LocalQpOperation));
}

#[test]
fn a_peer_whose_completion_queue_overran() {
    let shape = Shape {
        cq_entries: 4,
        ..Shape::default()
    };
    let mut pair = Pair::new(shape);
    for _ in 0..6 {
        pair.b.receive(RecvWr::empty());
    }
    for _ in 0..4 {
        assert!(pair.a.run(SendWr::new(Opcode::Send)).is_success());
    }
    let done = pair.a.run(SendWr::new(Opcode::Send));
    assert_eq!(
        (done.status, done.detail),
        (Status::RemoteOperation, Detail::ReceiveOverrun)
    );
    let mut overrun = false;
    while let Some(event) = pair.b.device.poll_event().unwrap() {
        overrun |= event
            == Event::CqOverrun {
                cq: u32::from(pair.b.cq.handle()),
            };
    }
    assert!(overrun, "an event says so");
    assert_eq!(pair.b.device.query_qp(&pair.b.qp), Ok(QpState::Error));
    // What was completed before is there; there is room again, but a gap would be hidden by it.
    for _ in 0..4 {
        assert!(pair.b.completion().is_success());
    }
    pair.b.receive(RecvWr::empty());
    pair.b.qp.ring();
    pair.world.settle();
    assert_eq!(pair.b.cq.poll_one(), Ok(None), "the queue takes no more");
}

#[test]
fn an_engine_that_fails() {
    let mut pair = Pair::default();
    pair.world.engine().fail_next(1);
    let done = pair.a.run(SendWr::write(
        pair.a.region.segment(0, 40_000),
        there(&pair),
    ));
    assert_eq!((done.status, done.detail), (Status::Fatal, Detail::Engine));
    assert_eq!(pair.a.device.query_qp(&pair.a.qp), Ok(QpState::Error));
}

#[test]
fn an_error_is_told_as_an_event_too() {
    let mut pair = Pair::default();
    let mut remote = there(&pair);
    remote.rkey ^= 1;
    let _: Completion = pair.a.run(SendWr::write(here(&pair), remote));
    assert_eq!(
        pair.a.device.wait_event(1_000_000),
        Ok(Event::QpFatal {
            qp: u32::from(pair.a.qp.handle()),
            status: Some(Status::RemoteAccess),
            detail: Some(Detail::Key),
        })
    );
}

#[test]
fn an_unsignaled_error_completes_all_the_same() {
    let mut pair = Pair::default();
    let mut remote = there(&pair);
    remote.rkey ^= 1;
    let request = SendWr::write(here(&pair), remote).id(4);
    pair.a.qp.post_send(&request).unwrap();
    let done = pair.a.completion();
    assert_eq!((done.id, done.status), (4, Status::RemoteAccess));
}
