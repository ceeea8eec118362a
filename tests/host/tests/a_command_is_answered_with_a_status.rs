//! A command is answered with a status that says what is wrong with it, never by silence.

use std::sync::atomic::Ordering;

use unimux_abi::control::{self, Attach};
use unimux_abi::doorbell;
use unimux_abi::response::{KIND_ANSWER, Status as Answer};
use unimux_driver::{
    Access, CommandStatus, CqFlags, Device, DmaBlock, Error, Event, PageList, Peer, QpOptions,
    QpState, SendWr,
};
use unimux_firmware::Quota;
use unimux_host_tests::{Node, Pair, RAM_BYTES, RAM_IPA, RawFunction, Shape, Stepped, World};

fn refused<T: std::fmt::Debug>(result: Result<T, Error>) -> CommandStatus {
    match result {
        Err(Error::Refused(status)) => status,
        other => panic!("{other:?} is not a refusal"),
    }
}

fn node() -> (World, Node<Stepped>) {
    let world = World::default();
    let (guest, _) = world.guest();
    let device = world.attach(&guest).expect("attach");
    let node = Node::new(device, &guest, Shape::default());
    (world, node)
}

/// A handle of each kind that nothing has.
fn nothing(node: &mut Node<Stepped>) -> (u64, u64) {
    (999, u64::from(node.region.lkey ^ 1 << 30))
}

#[test]
fn unknown_commands_and_reserved_bits() {
    let world = World::default();
    let (guest, _) = world.guest();
    let mut raw = RawFunction::attach(&world, &guest);
    let mut ask = |words: [u64; 8]| {
        raw.post(words);
        raw.ring();
        world.settle();
        let answer = raw.take().expect("an answer");
        assert_eq!(answer.head().kind(), KIND_ANSWER);
        assert_eq!(u64::from(answer.head().tag()), words[0] >> 16 & 0xffff);
        Answer::from_bits(answer.head().code()).expect("a status")
    };
    for opcode in 13..=255 {
        assert_eq!(
            ask([opcode << 8 | 7 << 16, 0, 0, 0, 0, 0, 0, 0]),
            Answer::NotSupported
        );
    }
    assert_eq!(ask([9 << 16, 0, 0, 0, 0, 0, 0, 0]), Answer::Success);
    assert_eq!(ask([1 << 32, 0, 0, 0, 0, 0, 0, 0]), Answer::InvalidArgument);
    assert_eq!(ask([2, 0, 0, 0, 0, 0, 0, 0]), Answer::InvalidArgument);
    for word in 1..8 {
        let mut words = [0; 8];
        words[word] = 1;
        assert_eq!(ask(words), Answer::InvalidArgument, "word {word} of a nop");
    }
}

#[test]
fn handles_that_nothing_has() {
    let (_world, mut node) = node();
    let (handle, lkey) = nothing(&mut node);
    for (opcode, first) in [
        (3, handle),
        (5, lkey),
        (6, u64::MAX),
        (7, handle),
        (8, handle),
        (10, handle),
        (11, handle),
    ] {
        let opcode = unimux_abi::command::Opcode::from_bits(opcode).unwrap();
        let answer = node.device.command(opcode, [first, 0, 0, 0, 0, 0, 0]);
        let status = refused(answer);
        assert!(
            matches!(
                status,
                CommandStatus::NotFound
                    | CommandStatus::InvalidArgument
                    | CommandStatus::NotSupported
            ),
            "{opcode:?}: {status:?}"
        );
    }
    let pd = node.device.alloc_pd().unwrap();
    node.device.dealloc_pd(pd).unwrap();
    let data = node.data;
    let gone = node
        .device
        .register_range(pd, data.ipa(), 8, 0, Access::empty());
    assert_eq!(refused(gone), CommandStatus::NotFound);
    let twice = node.device.dealloc_pd(pd);
    assert_eq!(refused(twice), CommandStatus::NotFound);
}

#[test]
fn memory_that_is_not_the_guests() {
    let (_world, mut node) = node();
    let out = CommandStatus::OutOfReach;
    let pd = node.pd;
    for (ipa, len) in [
        (0, 4096),
        (RAM_IPA - 1, 2),
        (RAM_IPA + RAM_BYTES - 1, 2),
        (RAM_IPA, u64::MAX / 2),
        (u64::MAX - 10, 5),
    ] {
        let made = node.device.register_range(pd, ipa, len, 0, Access::all());
        assert_eq!(refused(made), out, "{ipa:#x} {len:#x}");
    }
    let block = node.ram.take(64);
    for page in [0, RAM_IPA + RAM_BYTES, RAM_IPA + 8] {
        let list = PageList {
            pages: &[RAM_IPA, page],
            page_shift: 12,
            block,
        };
        let made = node
            .device
            .register_pages(pd, &list, 0, 8192, Access::all());
        assert_eq!(refused(made), out, "page {page:#x}");
    }
    let words = node.ram.take(8192).words();
    let elsewhere = DmaBlock::new(words, RAM_IPA + RAM_BYTES - 64);
    let cq = node.device.create_cq(16, CqFlags::empty(), elsewhere);
    assert_eq!(refused(cq), out);
    let options = QpOptions {
        send_entries: 16,
        recv_entries: 16,
    };
    let qp = node
        .device
        .create_qp(pd, &node.cq, &node.cq, options, elsewhere);
    assert_eq!(refused(qp), out);
}

#[test]
fn lengths_and_rights_that_make_no_sense() {
    let (_world, mut node) = node();
    let wrong = CommandStatus::InvalidArgument;
    let (pd, ipa) = (node.pd, node.data.ipa());
    let register = |node: &mut Node<Stepped>, len, iova, access| {
        node.device.register_range(pd, ipa, len, iova, access)
    };
    assert_eq!(refused(register(&mut node, 0, 0, Access::all())), wrong);
    assert_eq!(
        refused(register(&mut node, 16, u64::MAX - 8, Access::all())),
        wrong
    );
    for remote in [Access::REMOTE_WRITE, Access::REMOTE_ATOMIC] {
        assert_eq!(
            refused(register(&mut node, 16, 0, remote)),
            wrong,
            "{remote:?}"
        );
    }
    for (shift, status) in [(11, wrong), (31, wrong), (63, wrong)] {
        let list = PageList {
            pages: &[RAM_IPA; 2],
            page_shift: shift,
            block: node.ram.take(64),
        };
        let made = node.device.register_pages(pd, &list, 0, 1, Access::all());
        assert_eq!(refused(made), status, "shift {shift}");
    }
}

#[test]
fn arguments_that_a_state_does_not_take() {
    let (_world, mut node) = node();
    let qp = u64::from(node.qp.handle());
    let mut modify = |state: QpState, rest: u64, peer: u64| {
        let first = qp | (state as u64) << 32 | rest;
        let opcode = unimux_abi::command::Opcode::ModifyQp;
        node.device.command(opcode, [first, peer, 0, 0, 0, 0, 0])
    };
    let wrong = CommandStatus::InvalidArgument;
    assert_eq!(refused(modify(QpState::Init, 0, 1)), wrong, "a peer");
    assert_eq!(
        refused(modify(QpState::Init, 8 << 48, 0)),
        wrong,
        "eight retries"
    );
    assert_eq!(
        refused(modify(QpState::Init, 1 << 56, 0)),
        wrong,
        "a reserved byte"
    );
    assert_eq!(
        refused(modify(QpState::Init, 0x10 << 40, 0)),
        wrong,
        "an unknown right"
    );
    modify(QpState::Init, 0, 0).unwrap();
}

#[test]
fn peers_that_do_not_exist_or_are_of_another_partition() {
    let world = World::default();
    let mut pair = Pair::in_world(&world, Shape::default());
    let (stranger, id) =
        world.guest_with(RAM_BYTES, Quota::default(), |config| config.partition = 1);
    let device = world.attach(&stranger).unwrap();
    let stranger = Node::new(device, &stranger, Shape::default());
    let nobody = CommandStatus::NoSuchPeer;
    let mut message = |function| pair.a.device.message(function, [1, 2, 3]);
    assert_eq!(refused(message(u32::from(id.get()))), nobody);
    assert_eq!(refused(message(77)), nobody);
    assert_eq!(refused(message(u32::MAX)), nobody);
    let (a, b) = (&mut pair.a, &pair.b);
    a.device.reset_qp(&mut a.qp, &a.cq, &a.cq).unwrap();
    a.device.modify_qp(&a.qp, QpState::Init, None).unwrap();
    let mut connect = |peer: &Peer| {
        a.device
            .modify_qp(&a.qp, QpState::ReadyToReceive, Some(peer))
    };
    assert_eq!(refused(connect(&stranger.as_peer())), nobody);
    let wrong_number = Peer {
        qpn: b.qp.number() ^ 1,
        ..b.as_peer()
    };
    assert_eq!(refused(connect(&wrong_number)), nobody);
    connect(&b.as_peer()).unwrap();
}

#[test]
fn messages_arrive_in_order_until_there_is_no_room() {
    let mut pair = Pair::default();
    let (to, from) = (
        pair.b.device.limits().function,
        pair.a.device.limits().function,
    );
    let mut sent = 0;
    loop {
        match pair.a.device.message(to, [sent, sent * 2, u64::MAX]) {
            Ok(()) => sent += 1,
            Err(error) => {
                assert_eq!(error, Error::Refused(CommandStatus::PeerBusy));
                break;
            }
        }
        assert!(sent < 100);
    }
    assert!(sent >= 8, "{sent}");
    for i in 0..sent {
        assert_eq!(
            pair.b.device.poll_event(),
            Ok(Some(Event::Message {
                source: from,
                words: [i, i * 2, u64::MAX]
            }))
        );
    }
    pair.a.device.message(to, [0; 3]).unwrap();
}

#[test]
fn attaching_is_answered_or_counted() {
    let world = World::default();
    let (guest, _) = world.guest();
    // Addresses that are not the guest's, or not a page, get no answer; the guest times out.
    let page = guest.ram.take(4096);
    for ipa in [0, RAM_IPA + RAM_BYTES, !0xfff] {
        let wrong = DmaBlock::new(page.words(), ipa);
        let attached = Device::attach_within(world.platform(&guest), wrong, 1_000_000);
        assert_eq!(attached.err(), Some(Error::Timeout), "{ipa:#x}");
    }
    // A page that is no offer, or of another version, is refused with the reason.
    let offer = |word: u64| {
        page.words()[(control::ANSWER / 8) as usize].store(0, Ordering::Relaxed);
        page.words()[(control::OFFER / 8) as usize].store(word, Ordering::Release);
        guest.doorbell[1].store(page.ipa(), Ordering::Release);
        guest.doorbell[(doorbell::COMMANDS / 8) as usize].fetch_add(1, Ordering::Release);
        world.settle();
        page.words()[(control::ANSWER / 8) as usize].load(Ordering::Acquire) as u32
    };
    assert_eq!(offer(0x1234), Attach::NotAnOffer as u32);
    let magic = u64::from(control::MAGIC);
    assert_eq!(
        offer(magic | 0x0002_0000 << 32),
        Attach::WrongVersion as u32
    );
    assert_eq!(offer(magic | 0x0001_0007 << 32), Attach::Attached as u32);
}

#[test]
fn a_wild_response_count_stops_that_function_only() {
    let world = World::default();
    let mut pair = Pair::in_world(&world, Shape::default());
    for wild in [1, 33, u64::from(u32::MAX), 1 << 31] {
        let (guest, _) = world.guest();
        let mut raw = RawFunction::attach(&world, &guest);
        raw.page().words()[(control::RESPONSE_CONSUMER / 8) as usize]
            .store(wild, Ordering::Release);
        for _ in 0..32 {
            raw.post([0; 8]);
        }
        raw.ring();
        world.rounds(2000);
        for _ in 0..32 {
            raw.post([0; 8]);
        }
        raw.ring();
        world.rounds(2000);
        let answers = std::iter::from_fn(|| raw.take()).take(100).count();
        assert!(answers <= 33, "{wild:#x}: {answers} answers");
        let request = SendWr::write_u64(wild, pair.b.region.remote(0));
        assert!(pair.a.run(request).is_success());
    }
}

#[test]
fn a_wild_completion_count_overruns_that_queue_only() {
    for wild in [65, u64::from(u32::MAX), 1 << 31] {
        let mut pair = Pair::default();
        let record = pair.a.cq_block.part(64 * 32, 64).unwrap();
        let request = SendWr::write_u64(1, pair.b.region.remote(0)).signaled();
        // The firmware looks at the count when the ring seems full.
        for _ in 0..70 {
            while pair.a.qp.send_room() == 0 {
                pair.world.rounds(1);
                record.words()[0].store(wild, Ordering::Release);
                if pair.a.cq.poll_one() == Ok(None) {
                    break;
                }
                record.words()[0].store(wild, Ordering::Release);
            }
            let _: Result<(), Error> = pair.a.qp.post_send(&request);
        }
        pair.world.rounds(1000);
        assert_eq!(
            pair.a.device.query_qp(&pair.a.qp),
            Ok(QpState::Error),
            "{wild:#x}"
        );
        assert_eq!(pair.b.device.query_qp(&pair.b.qp), Ok(QpState::ReadyToSend));
    }
}
