//! Every operation moves exactly the bytes it names, and nothing beside them.

use unimux_driver::{
    Access, Detail, Opcode, PageList, RecvWr, Remote, Segment, SendWr, Status, bytes_for_page_list,
};
use unimux_host_tests::{Pair, Shape, pattern};

/// Where in the data the tests write, read and receive.
const SOURCE: u64 = 0x1000;
const TARGET: u64 = 0x2_0000;

/// Fills both nodes with different bytes.
fn filled() -> Pair {
    let pair = Pair::default();
    pair.a.write(0, &pattern(1, 0x4_0000));
    pair.b.write(0, &pattern(2, 0x4_0000));
    pair
}

/// Whether `bytes` is at `offset` of `b`, and all else is as [`filled`] left it.
fn only(pair: &Pair, offset: u64, bytes: &[u8]) {
    let mut expected = pattern(2, 0x4_0000);
    expected[offset as usize..][..bytes.len()].copy_from_slice(bytes);
    assert!(
        pair.b.read(0, 0x4_0000) == expected,
        "{} bytes at {offset:#x}",
        bytes.len()
    );
}

/// Offsets and lengths around words, lines, pages and blocks.
const RANGES: [(u64, u64, u32); 12] = [
    (0, 0, 1),
    (1, 0, 7),
    (0, 3, 8),
    (5, 5, 64),
    (7, 1, 4096),
    (8, 0, 4095),
    (0, 0, 16384),
    (1, 2, 16384),
    (3, 3, 16385),
    (0, 0, 16383),
    (9, 4, 0x7001),
    (0, 0, 0),
];

#[test]
fn write() {
    for (from, to, len) in RANGES {
        let mut pair = filled();
        let local = pair.a.region.segment(SOURCE + from, len);
        let remote = pair.b.region.remote(TARGET + to);
        let done = pair.a.run(SendWr::write(local, remote).id(17));
        assert_eq!(
            (done.status, done.id, done.opcode, done.immediate),
            (Status::Success, 17, Opcode::Write, None)
        );
        assert_eq!(done.len_bytes, len);
        only(
            &pair,
            TARGET + to,
            &pair.a.read(SOURCE + from, len as usize),
        );
    }
}

#[test]
fn read() {
    for (from, to, len) in RANGES {
        let mut pair = filled();
        let expected = pair.b.read(TARGET + from, len as usize);
        let local = pair.a.region.segment(SOURCE + to, len);
        let done = pair
            .a
            .run(SendWr::read(local, pair.b.region.remote(TARGET + from)));
        assert_eq!((done.status, done.len_bytes), (Status::Success, len));
        let mut whole = pattern(1, 0x4_0000);
        whole[(SOURCE + to) as usize..][..len as usize].copy_from_slice(&expected);
        assert!(pair.a.read(0, 0x4_0000) == whole);
        only(&pair, 0, &[]);
    }
}

#[test]
fn send_and_receive() {
    for (from, to, len) in RANGES {
        let mut pair = filled();
        let room = pair.b.region.segment(TARGET + to, 0x9000);
        pair.b.receive(RecvWr::new(room).id(5));
        let local = pair.a.region.segment(SOURCE + from, len);
        assert!(pair.a.run(SendWr::send(local)).is_success());
        let got = pair.b.completion();
        assert_eq!(
            (got.status, got.id, got.opcode, got.len_bytes, got.immediate),
            (Status::Success, 5, Opcode::Receive, len, None)
        );
        only(
            &pair,
            TARGET + to,
            &pair.a.read(SOURCE + from, len as usize),
        );
    }
}

#[test]
fn send_with_immediate() {
    let mut pair = filled();
    pair.b
        .receive(RecvWr::new(pair.b.region.segment(TARGET, 64)));
    let local = pair.a.region.segment(SOURCE, 33);
    assert!(
        pair.a
            .run(SendWr::send_imm(local, 0xdead_beef))
            .is_success()
    );
    let got = pair.b.completion();
    assert_eq!((got.immediate, got.len_bytes), (Some(0xdead_beef), 33));
    only(&pair, TARGET, &pair.a.read(SOURCE, 33));
}

#[test]
fn write_with_immediate_takes_a_receive_but_not_its_memory() {
    let mut pair = filled();
    pair.b
        .receive(RecvWr::new(pair.b.region.segment(0x100, 64)).id(8));
    let local = pair.a.region.segment(SOURCE, 1000);
    let request = SendWr::write_imm(local, pair.b.region.remote(TARGET + 3), 7);
    assert!(pair.a.run(request).is_success());
    let got = pair.b.completion();
    assert_eq!(
        (got.id, got.immediate, got.opcode, got.len_bytes),
        (8, Some(7), Opcode::Receive, 1000)
    );
    only(&pair, TARGET + 3, &pair.a.read(SOURCE, 1000));
}

#[test]
fn two_segments_on_both_sides() {
    let mut pair = filled();
    let room = RecvWr::new(pair.b.region.segment(TARGET, 100))
        .and(pair.b.region.segment(TARGET + 0x1000, 20_000));
    pair.b.receive(room);
    let request = SendWr::send(pair.a.region.segment(SOURCE + 1, 17_000))
        .and(pair.a.region.segment(SOURCE + 0x6000, 333));
    let done = pair.a.run(request);
    assert_eq!((done.status, done.len_bytes), (Status::Success, 17_333));
    let sent = [
        pair.a.read(SOURCE + 1, 17_000),
        pair.a.read(SOURCE + 0x6000, 333),
    ]
    .concat();
    assert_eq!(pair.b.completion().len_bytes, 17_333);
    let mut expected = pattern(2, 0x4_0000);
    expected[TARGET as usize..][..100].copy_from_slice(&sent[..100]);
    expected[TARGET as usize + 0x1000..][..17_233].copy_from_slice(&sent[100..]);
    assert!(pair.b.read(0, 0x4_0000) == expected);
}

#[test]
fn gather_write_and_scatter_read() {
    let mut pair = filled();
    let (one, two) = (
        pair.a.region.segment(SOURCE, 5),
        pair.a.region.segment(SOURCE + 0x3001, 40_000),
    );
    let remote = pair.b.region.remote(TARGET + 1);
    assert!(pair.a.run(SendWr::write(one, remote).and(two)).is_success());
    let sent = [pair.a.read(SOURCE, 5), pair.a.read(SOURCE + 0x3001, 40_000)].concat();
    only(&pair, TARGET + 1, &sent);
    pair.a.write(SOURCE, &[0; 5]);
    pair.a.write(SOURCE + 0x3001, &vec![0; 40_000]);
    assert!(pair.a.run(SendWr::read(one, remote).and(two)).is_success());
    assert!(pair.a.read(SOURCE, 5) == sent[..5]);
    assert!(pair.a.read(SOURCE + 0x3001, 40_000) == sent[5..]);
}

#[test]
fn inline_data_of_every_length() {
    for len in 0..=32usize {
        for to in [0, 3] {
            let mut pair = filled();
            let data = pattern(9, len);
            let remote = pair.b.region.remote(TARGET + to);
            let request = SendWr::write_inline(&data, remote).unwrap();
            assert_eq!(pair.a.run(request).status, Status::Success);
            only(&pair, TARGET + to, &data);
        }
        let mut pair = filled();
        let data = pattern(9, len);
        pair.b
            .receive(RecvWr::new(pair.b.region.segment(TARGET, 32)));
        let done = pair.a.run(SendWr::send_inline(&data).unwrap());
        assert_eq!(
            (done.status, done.len_bytes as usize),
            (Status::Success, len)
        );
        only(&pair, TARGET, &data);
    }
}

#[test]
fn requests_without_a_segment_move_nothing() {
    let mut pair = filled();
    pair.b.receive(RecvWr::empty());
    assert!(pair.a.run(SendWr::new(Opcode::Send)).is_success());
    assert_eq!(pair.b.completion().len_bytes, 0);
    let nowhere = Remote::default();
    let write = pair.a.run(SendWr::new(Opcode::Write).to(nowhere));
    assert_eq!(
        write.status,
        Status::Success,
        "no byte, no key (IBTA 9.4.3)"
    );
    only(&pair, 0, &[]);
}

#[test]
fn atomics() {
    let mut pair = filled();
    let word = |pair: &Pair| u64::from_le_bytes(pair.b.read(TARGET, 8).try_into().unwrap());
    let old = |pair: &Pair| u64::from_le_bytes(pair.a.read(SOURCE, 8).try_into().unwrap());
    let local = pair.a.region.segment(SOURCE, 8);
    let remote = pair.b.region.remote(TARGET);
    let before = word(&pair);

    assert!(pair.a.run(SendWr::fetch_add(local, remote, 5)).is_success());
    assert_eq!((old(&pair), word(&pair)), (before, before.wrapping_add(5)));

    let add = SendWr::fetch_add(local, remote, u64::MAX);
    assert!(pair.a.run(add).is_success());
    assert_eq!(word(&pair), before.wrapping_add(4), "it wraps");

    let now = word(&pair);
    let miss = SendWr::compare_swap(local, remote, now + 1, 7);
    assert!(pair.a.run(miss).is_success());
    assert_eq!((old(&pair), word(&pair)), (now, now));
    let hit = SendWr::compare_swap(local, remote, now, 7);
    assert_eq!(pair.a.run(hit).len_bytes, 8);
    assert_eq!((old(&pair), word(&pair)), (now, 7));
    only(&pair, TARGET, &7u64.to_le_bytes());
}

#[test]
fn scattered_pages_are_one_region() {
    let mut pair = filled();
    // Every second page of the data, backwards, and the region begins 0x123 into the first.
    let pages: Vec<u64> = (0..10)
        .rev()
        .map(|i| pair.b.data.ipa() + 0x2000 * i)
        .collect();
    let list = PageList {
        pages: &pages,
        page_shift: 12,
        block: pair.b.ram.take(bytes_for_page_list(pages.len())),
    };
    let (iova, len) = (0x5_0000_0123, 10 * 4096 - 0x123);
    let region = pair
        .b
        .device
        .register_pages(pair.b.pd, &list, iova, len, Access::all())
        .unwrap();
    // What the guest changes in its list later changes nothing.
    for word in list.block.words() {
        word.store(u64::MAX, std::sync::atomic::Ordering::Relaxed);
    }
    let local = pair.a.region.segment(SOURCE, 30_000);
    let done = pair.a.run(SendWr::write(local, region.remote(5000)));
    assert_eq!((done.status, done.detail), (Status::Success, Detail::None));
    let sent = pair.a.read(SOURCE, 30_000);
    let mut expected = pattern(2, 0x4_0000);
    for (i, byte) in sent.iter().enumerate() {
        let at = 0x123 + 5000 + i;
        let page = 9 - at / 4096;
        expected[page * 0x2000 + at % 4096] = *byte;
    }
    assert!(pair.b.read(0, 0x4_0000) == expected);

    let back = SendWr::read(
        pair.a.region.segment(SOURCE + 0x1_0000, 30_000),
        region.remote(5000),
    );
    assert!(pair.a.run(back).is_success());
    assert!(pair.a.read(SOURCE + 0x1_0000, 30_000) == sent);

    let past = SendWr::write(
        pair.a.region.segment(SOURCE, 1000),
        region.remote(len - 999),
    );
    let refused = pair.a.run(past);
    assert_eq!(
        (refused.status, refused.detail),
        (Status::RemoteAccess, Detail::Bounds)
    );
}

#[test]
fn a_gibibyte_is_the_most() {
    let mut pair = Pair::default();
    let long = |len_bytes| Segment {
        address: 0,
        lkey: 1,
        len_bytes,
    };
    // One byte more than may be moved is refused before keys are looked at.
    let done = pair
        .a
        .run(SendWr::write(long((1 << 30) + 1), Remote::default()));
    assert_eq!(
        (done.status, done.detail),
        (Status::LocalLength, Detail::Length)
    );
    pair.reconnect();
    let done = pair.a.run(SendWr::write(long(1 << 30), Remote::default()));
    assert_eq!(
        (done.status, done.detail),
        (Status::LocalProtection, Detail::Key)
    );
    pair.reconnect();
    let most = long(u32::MAX);
    let done = pair.a.run(SendWr::write(most, Remote::default()).and(most));
    assert_eq!(done.status, Status::LocalLength);
}

#[test]
fn a_transfer_of_many_blocks() {
    let shape = Shape {
        data_bytes: 16 << 20,
        ..Shape::default()
    };
    let mut pair = Pair::new(shape);
    let bytes = pattern(3, 3_000_001);
    pair.a.write(5, &bytes);
    let local = pair.a.region.segment(5, 3_000_001);
    assert!(
        pair.a
            .run(SendWr::write(local, pair.b.region.remote(10_000_000)))
            .is_success()
    );
    assert!(pair.b.read(10_000_000, bytes.len()) == bytes);
}
