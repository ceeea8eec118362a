//! The driver against a scripted firmware: every wait ends, and no record is believed blindly.

extern crate std;

use core::cell::{Cell, RefCell};
use core::sync::atomic::{AtomicU64, Ordering};
use std::boxed::Box;
use std::rc::Rc;
use std::vec::Vec;

use unimux_abi::control::{self, Answer, Attach};
use unimux_abi::response::{KIND_ANSWER, KIND_EVENT};
use unimux_abi::{command, completion, doorbell, response};

use super::*;

/// What the fake firmware does whenever the driver lets somebody else run.
type Script = Box<dyn FnMut(&Fake)>;

#[derive(Default)]
struct Fake {
    now: Cell<u64>,
    /// Words of the doorbell page that were stored to, and what.
    rings: RefCell<Vec<(u64, u64)>>,
    control: Cell<u64>,
    script: RefCell<Option<Script>>,
    filled: Cell<u32>,
    taken: Cell<u32>,
}

impl Platform for Rc<Fake> {
    fn store_to_doorbell(&self, offset_bytes: u64, value: u64) {
        match offset_bytes {
            doorbell::CONTROL => self.control.set(value),
            _ => self.rings.borrow_mut().push((offset_bytes, value)),
        }
    }

    fn now_ns(&self) -> u64 {
        self.now.get()
    }

    fn relax(&self) {
        self.now.set(self.now.get() + 1_000_000);
        let script = self.script.borrow_mut().take();
        if let Some(mut script) = script {
            script(self);
            self.script.borrow_mut().get_or_insert(script);
        }
    }
}

fn block(bytes: u64, ipa: u64) -> DmaBlock {
    let words: Vec<AtomicU64> = (0..bytes / 8).map(|_| AtomicU64::new(0)).collect();
    DmaBlock::new(Box::leak(words.into_boxed_slice()), ipa)
}

const LIMITS: Answer = Answer {
    attach: Attach::Attached,
    version: unimux_abi::VERSION,
    function: 3,
    max_pds: 4,
    max_cqs: 4,
    max_qps: 4,
    max_mrs: 4,
    max_pages: 16,
};

fn answer_attach(page: DmaBlock, words: [u64; 4]) {
    let at = (control::ANSWER / 8) as usize;
    for i in [1, 2, 3, 0] {
        page.words()[at + i].store(words[i], Ordering::Release);
    }
}

/// Puts a response into the next place of the page's ring.
fn respond(fake: &Fake, page: DmaBlock, mut entry: response::Entry) {
    let position = fake.filled.get();
    fake.filled.set(position + 1);
    let phase = (position / 32).is_multiple_of(2);
    entry.0[0] = entry.head().with_phase(phase).into_bits();
    let at = (control::RESPONSES / 8) as usize + (position as usize % 32) * 4;
    for i in [1, 2, 3, 0] {
        page.words()[at + i].store(entry.0[i], Ordering::Release);
    }
}

fn event(code: u16, words: [u64; 3]) -> response::Entry {
    let head = response::Head::new().with_kind(KIND_EVENT).with_code(code);
    response::Entry([head.into_bits(), words[0], words[1], words[2]])
}

fn answer(tag: u16, code: u16, result: u64) -> response::Entry {
    let head = response::Head::new()
        .with_kind(KIND_ANSWER)
        .with_code(code)
        .with_tag(tag);
    response::Entry([head.into_bits(), result, 0, 0])
}

/// The next command of the page's ring, if it is filled.
fn command(fake: &Fake, page: DmaBlock) -> Option<command::Entry> {
    let position = fake.taken.get();
    let at = (control::COMMANDS / 8) as usize + (position as usize % 32) * 8;
    let mut entry = command::Entry::default();
    for (i, word) in entry.0.iter_mut().enumerate() {
        *word = page.words()[at + i].load(Ordering::Acquire);
    }
    (entry.head().phase() == ((position / 32).is_multiple_of(2))).then(|| {
        fake.taken.set(position + 1);
        entry
    })
}

/// A device, its fake firmware and its page; `serve` answers commands.
fn device(
    mut serve: impl FnMut(&Fake, DmaBlock, command::Entry) + 'static,
) -> (Device<Rc<Fake>>, Rc<Fake>, DmaBlock) {
    let fake = Rc::new(Fake::default());
    let page = block(4096, 0x10_0000);
    *fake.script.borrow_mut() = Some(Box::new(move |_| answer_attach(page, LIMITS.to_words())));
    let device = Device::attach(fake.clone(), page).unwrap();
    *fake.script.borrow_mut() = Some(Box::new(move |fake| {
        while let Some(entry) = command(fake, page) {
            serve(fake, page, entry);
        }
    }));
    (device, fake, page)
}

/// A device whose every command succeeds with result `result`.
fn obliging(result: u64) -> (Device<Rc<Fake>>, Rc<Fake>, DmaBlock) {
    device(move |fake, page, entry| respond(fake, page, answer(entry.head().tag(), 0, result)))
}

#[test]
fn attaching_tells_who_the_function_is() {
    let (device, fake, page) = obliging(0);
    assert_eq!(fake.control.get(), page.ipa());
    assert_eq!(fake.rings.borrow().len(), 1);
    assert_eq!(device.limits().function, 3);
    assert_eq!(device.limits().max_pages, 16);
}

#[test]
fn a_refused_or_broken_attach_is_an_error() {
    let attach = |words: [u64; 4]| {
        let fake = Rc::new(Fake::default());
        let page = block(4096, 0x10_0000);
        *fake.script.borrow_mut() = Some(Box::new(move |_| answer_attach(page, words)));
        Device::attach(fake, page).err()
    };
    let refused = Error::AttachRefused(Attach::WrongVersion);
    assert_eq!(attach([3, 0, 0, 0]), Some(refused));
    assert_eq!(attach([77, 0, 0, 0]), Some(Error::BrokenAnswer(77)));
    assert_eq!(attach([0, 0, 0, 0]), Some(Error::Timeout));
}

#[test]
fn a_page_that_cannot_be_a_control_page_is_refused_at_once() {
    let fake = Rc::new(Fake::default());
    let misaligned = Device::attach(fake.clone(), block(4096, 0x10_0040));
    assert!(matches!(misaligned, Err(Error::Misaligned { .. })));
    let short = Device::attach(fake.clone(), block(2048, 0x10_0000));
    assert!(matches!(short, Err(Error::BlockTooSmall { .. })));
    assert!(fake.rings.borrow().is_empty());
}

#[test]
fn silence_is_a_time_out_and_32_of_them_fill_the_ring() {
    let (mut device, fake, _) = device(|_, _, _| ());
    device.set_timeout_ns(10_000_000);
    for _ in 0..32 {
        assert_eq!(device.nop(), Err(Error::Timeout));
    }
    assert_eq!(device.nop(), Err(Error::CommandRingFull));
    assert!(fake.now.get() < 1_000_000_000, "no wait was without end");
}

#[test]
fn a_late_answer_is_not_taken_for_another_commands() {
    let mut held = Vec::new();
    let (mut device, _, _) = device(move |fake, page, entry| {
        held.push(entry.head().tag());
        if let [late, .., now] = held[..] {
            respond(fake, page, answer(late, 0, 1));
            respond(fake, page, answer(now, 0, 2));
        }
    });
    device.set_timeout_ns(10_000_000);
    assert_eq!(device.alloc_pd(), Err(Error::Timeout));
    assert_eq!(device.alloc_pd().unwrap().handle(), 2);
}

#[test]
fn events_between_answers_are_kept_in_order() {
    let (mut device, _, _) = device(|fake, page, entry| {
        respond(fake, page, event(1, [1, 2, 3]));
        respond(fake, page, answer(entry.head().tag(), 0, 0));
        respond(fake, page, event(99, [4, 5, 6]));
    });
    device.nop().unwrap();
    let message = Event::Message {
        source: 0,
        words: [1, 2, 3],
    };
    assert_eq!(device.poll_event(), Ok(Some(message)));
    let unknown = Event::Unknown {
        code: 99,
        words: [4, 5, 6],
    };
    assert_eq!(device.poll_event(), Ok(Some(unknown)));
    assert_eq!(device.poll_event(), Ok(None));
}

#[test]
fn events_that_nobody_takes_are_counted_as_lost() {
    let (mut device, _, _) = device(|fake, page, entry| {
        for i in 0..20 {
            respond(fake, page, event(1, [i, 0, 0]));
        }
        respond(fake, page, answer(entry.head().tag(), 0, 0));
    });
    device.nop().unwrap();
    device.nop().unwrap();
    assert_eq!(device.lost_events(), 8);
}

#[test]
fn broken_responses_are_errors() {
    let (mut unknown_status, _, _) =
        device(|fake, page, entry| respond(fake, page, answer(entry.head().tag(), 999, 0)));
    assert!(matches!(
        unknown_status.nop(),
        Err(Error::BrokenResponse(_))
    ));
    let (mut unknown_kind, _, _) = device(|fake, page, _| {
        let head = response::Head::new().with_kind(7).into_bits();
        respond(fake, page, response::Entry([head, 0, 0, 0]));
    });
    assert!(matches!(unknown_kind.nop(), Err(Error::BrokenResponse(_))));
    let (mut foreign_handle, _, _) = obliging(4);
    assert_eq!(foreign_handle.alloc_pd(), Err(Error::BrokenResult(4)));
}

#[test]
fn a_refusal_carries_its_reason() {
    let (mut device, _, _) =
        device(|fake, page, entry| respond(fake, page, answer(entry.head().tag(), 4, 0)));
    let refused = Error::Refused(CommandStatus::QuotaExceeded);
    assert_eq!(device.alloc_pd(), Err(refused));
}

#[test]
fn a_stopped_function_is_not_waited_for() {
    let (mut device, fake, _) =
        device(|fake, page, _| respond(fake, page, event(4, [0xbad, 0, 0])));
    let began = fake.now.get();
    assert_eq!(device.nop(), Err(Error::FunctionStopped(0xbad)));
    assert_eq!(device.nop(), Err(Error::FunctionStopped(0xbad)));
    assert!(fake.now.get() - began < 10_000_000);
}

#[test]
fn a_page_list_that_is_too_short_is_not_sent() {
    let (mut device, fake, _) = obliging(0x2_0000_0001);
    let pd = ProtectionDomain { handle: 0 };
    let rings = fake.rings.borrow().len();
    let list = PageList {
        pages: &[0x1000, 0x5000],
        page_shift: 12,
        block: block(64, 0x20_0000),
    };
    let mut register = |iova, len| device.register_pages(pd, &list, iova, len, Access::empty());
    let short = Err(Error::PagesDoNotCover { pages: 2 });
    assert_eq!(register(1, 8192), short);
    assert_eq!(register(0, u64::MAX), short);
    assert_eq!(fake.rings.borrow().len(), rings);
    let region = register(0, 8192).unwrap();
    assert_eq!((region.lkey, region.rkey), (1, 2));
    assert_eq!(list.block.words()[1].load(Ordering::Relaxed), 0x5000);
}

/// A queue pair on one completion queue of 8 entries, and what writes completions into it.
struct Pair {
    qp: QueuePair<Rc<Fake>>,
    cq: CompletionQueue<Rc<Fake>>,
    block: DmaBlock,
    cq_block: DmaBlock,
    filled: u32,
    fake: Rc<Fake>,
}

impl Pair {
    fn new() -> Self {
        let (mut device, fake, _) = obliging(0x55_0000_0001);
        let pd = ProtectionDomain { handle: 0 };
        let cq_block = block(device.bytes_for_cq(8), 0x20_0000);
        let cq_handle = CompletionQueue::new(
            fake.clone(),
            0,
            CqFlags::empty(),
            &completion_queue::Layout::new(8, 4, cq_block).unwrap(),
        );
        let options = QpOptions {
            send_entries: 4,
            recv_entries: 4,
        };
        let qp_block = block(bytes_for_qp(4, 4), 0x30_0000);
        let qp = device
            .create_qp(pd, &cq_handle, &cq_handle, options, qp_block)
            .unwrap();
        assert_eq!((qp.handle(), qp.number()), (1, 0x55));
        Self {
            qp,
            cq: cq_handle,
            block: qp_block,
            cq_block,
            filled: 0,
            fake,
        }
    }

    fn complete_raw(&mut self, words: [u64; 4]) {
        let phase = (self.filled / 8).is_multiple_of(2);
        let at = (self.filled as usize % 8) * 4;
        self.filled += 1;
        let head = completion::Head::from_bits(words[0]).with_phase(phase);
        for i in [1, 2, 3] {
            self.cq_block.words()[at + i].store(words[i], Ordering::Relaxed);
        }
        self.cq_block.words()[at].store(head.into_bits(), Ordering::Release);
    }

    fn complete(&mut self, status: Status, opcode: Opcode, id: u64) {
        let head = completion::Head::new()
            .with_status(status as u8)
            .with_opcode(opcode as u8)
            .with_qp(1);
        self.complete_raw([head.into_bits(), id, 0, 0]);
    }
}

fn write() -> SendWr {
    SendWr::write_u64(
        7,
        Remote {
            address: 0x1000,
            rkey: 9,
        },
    )
}

#[test]
fn a_full_send_queue_is_not_overwritten() {
    let mut pair = Pair::new();
    for id in 0..4 {
        pair.qp.post_send(&write().id(id).signaled()).unwrap();
    }
    let extra = write().id(99).signaled();
    assert_eq!(pair.qp.post_send(&extra), Err(Error::QueueFull));
    assert_eq!(pair.block.words()[1].load(Ordering::Relaxed), 0);
    pair.complete(Status::Success, Opcode::Write, 0);
    assert_eq!(
        pair.qp.post_send(&extra),
        Err(Error::QueueFull),
        "not polled"
    );
    assert_eq!(pair.cq.poll_one().unwrap().unwrap().id, 0);
    pair.qp.post_send(&extra).unwrap();
    let head = pair.block.words()[0].load(Ordering::Relaxed);
    assert_eq!(head & 1, 0, "the second lap has phase 0");
    assert_eq!(pair.block.words()[1].load(Ordering::Relaxed), 99);
}

#[test]
fn unsignaled_entries_come_back_with_the_next_signaled_one() {
    let mut pair = Pair::new();
    pair.qp.post_send(&write()).unwrap();
    pair.qp.post_send(&write()).unwrap();
    pair.qp.post_send(&write().signaled()).unwrap();
    pair.qp.post_send(&write()).unwrap();
    assert_eq!(pair.qp.send_room(), 0);
    pair.complete(Status::Success, Opcode::Write, 0);
    pair.cq.poll_one().unwrap().unwrap();
    assert_eq!(pair.qp.send_room(), 3);
}

#[test]
fn every_flushed_entry_comes_back_alone() {
    let mut pair = Pair::new();
    for _ in 0..4 {
        pair.qp.post_send(&write()).unwrap();
    }
    for _ in 0..4 {
        pair.complete(Status::Flushed, Opcode::Write, 0);
    }
    for room in 1..=4 {
        pair.cq.poll_one().unwrap().unwrap();
        assert_eq!(pair.qp.send_room(), room);
    }
}

#[test]
fn receives_and_sends_do_not_count_for_each_other() {
    let mut pair = Pair::new();
    for _ in 0..4 {
        pair.qp.post_recv(&RecvWr::empty()).unwrap();
        pair.qp.post_send(&write().signaled()).unwrap();
    }
    assert_eq!(pair.qp.post_recv(&RecvWr::empty()), Err(Error::QueueFull));
    pair.complete(Status::Success, Opcode::Receive, 0);
    pair.complete(Status::Flushed, Opcode::Receive, 0);
    let mut taken = [pair_completion(); 8];
    assert_eq!(pair.cq.poll(&mut taken), Ok(2));
    assert_eq!(pair.qp.recv_room(), 2);
    assert_eq!(pair.qp.send_room(), 0);
}

fn pair_completion() -> Completion {
    Completion {
        id: 0,
        qp: 0,
        status: Status::Success,
        detail: Detail::None,
        opcode: Opcode::Send,
        len_bytes: 0,
        immediate: None,
    }
}

#[test]
fn more_completions_than_requests_free_nothing_more() {
    let mut pair = Pair::new();
    pair.qp.post_send(&write().signaled()).unwrap();
    for _ in 0..8 {
        pair.complete(Status::Success, Opcode::Write, 0);
        pair.complete_seen();
    }
    assert_eq!(pair.qp.send_room(), 4);
    pair.qp.post_send(&write().signaled()).unwrap();
    assert!(pair.qp.send_room() <= 4);
}

impl Pair {
    fn complete_seen(&mut self) {
        self.cq.poll_one().unwrap().unwrap();
    }
}

#[test]
fn a_batch_rings_once() {
    let mut pair = Pair::new();
    let rings = pair.fake.rings.borrow().len();
    assert_eq!(pair.qp.post_sends(&[write(); 6]), Ok(4));
    assert_eq!(pair.fake.rings.borrow().len(), rings + 1);
    assert_eq!(pair.qp.post_sends(&[write()]), Err(Error::QueueFull));
    assert_eq!(pair.qp.post_sends(&[]), Ok(0));
    assert_eq!(pair.fake.rings.borrow().len(), rings + 1);
}

#[test]
fn no_two_rings_in_a_row_are_alike() {
    let mut pair = Pair::new();
    for _ in 0..20 {
        pair.qp.ring();
    }
    let rings = pair.fake.rings.borrow();
    assert!(rings.windows(2).all(|two| two[0] != two[1]));
}

#[test]
fn broken_completions_are_errors_and_are_taken() {
    let mut pair = Pair::new();
    let head = completion::Head::new().with_qp(1);
    let broken = [
        [head.with_status(3).into_bits(), 0, 0, 0],
        [head.with_opcode(200).into_bits(), 0, 0, 0],
        [head.into_bits(), 0, 0, 1000],
        [head.with_qp(4).into_bits(), 0, 0, 0],
        [head.with_qp(u32::MAX).into_bits(), 0, 0, 0],
    ];
    for words in broken {
        pair.complete_raw(words);
        let result = pair.cq.poll_one();
        assert!(
            matches!(result, Err(Error::BrokenCompletion(_))),
            "{words:x?}"
        );
    }
    assert_eq!(pair.cq.poll_one(), Ok(None));
}

#[test]
fn what_was_taken_is_published_before_the_ring_is_full() {
    let mut pair = Pair::new();
    let consumed = &pair.cq_block.words()[32];
    for i in 0..40 {
        pair.complete(Status::Success, Opcode::Write, i);
        assert_eq!(pair.cq.poll_one().unwrap().unwrap().id, i);
        assert_eq!(consumed.load(Ordering::Relaxed), i + 1);
    }
}

#[test]
fn arming_says_what_is_there_already() {
    let mut pair = Pair::new();
    assert!(!pair.cq.arm(ArmKind::Next));
    pair.complete(Status::Success, Opcode::Write, 0);
    assert!(pair.cq.arm(ArmKind::Solicited));
    pair.complete_seen();
    assert!(!pair.cq.arm(ArmKind::Solicited));
    let arm = completion::Arm::from_bits(pair.cq_block.words()[33].load(Ordering::Relaxed));
    assert_eq!((arm.count(), arm.kind()), (1, ArmKind::Solicited as u8));
}

#[test]
fn waiting_for_a_completion_ends() {
    let mut pair = Pair::new();
    assert_eq!(pair.cq.wait_one(50_000_000), Err(Error::Timeout));
    pair.complete(Status::Success, Opcode::Write, 5);
    assert_eq!(pair.cq.wait_one(0).unwrap().id, 5);
}

#[test]
fn a_new_queue_pair_does_not_count_an_old_ones_completions() {
    let mut pair = Pair::new();
    pair.complete(Status::Success, Opcode::Write, 0);
    pair.complete(Status::Success, Opcode::Write, 1);
    let counts = queue_pair::counts(1, &pair.cq, &pair.cq).unwrap();
    pair.qp.reset(counts);
    pair.qp.post_send(&write().signaled()).unwrap();
    pair.complete_seen();
    pair.complete_seen();
    assert_eq!(pair.qp.send_room(), 3, "the request is still outstanding");
    pair.complete(Status::Success, Opcode::Write, 2);
    pair.complete_seen();
    assert_eq!(pair.qp.send_room(), 4);
}

#[test]
fn a_reset_with_foreign_completion_queues_does_nothing() {
    let mut pair = Pair::new();
    let (mut device, fake, _) = obliging(0);
    let bytes = device.bytes_for_cq(8);
    let foreign = device
        .create_cq(8, CqFlags::empty(), block(bytes, 0))
        .unwrap();
    let rings = fake.rings.borrow().len();
    pair.qp.post_send(&write()).unwrap();
    let reset = device.reset_qp(&mut pair.qp, &foreign, &foreign);
    assert_eq!(reset, Err(Error::ForeignCq));
    assert_eq!(fake.rings.borrow().len(), rings);
    assert_eq!(pair.qp.send_room(), 3);
}

#[test]
fn wrong_sizes_are_refused_before_the_firmware_hears_of_them() {
    let (mut device, fake, _) = obliging(0);
    let rings = fake.rings.borrow().len();
    let bytes = device.bytes_for_cq(8);
    let mut create = |entries, block| device.create_cq(entries, CqFlags::empty(), block).err();
    assert_eq!(create(7, block(bytes, 0)), Some(Error::InvalidEntries(7)));
    assert!(matches!(
        create(8, block(bytes - 8, 0)),
        Some(Error::BlockTooSmall { .. })
    ));
    assert!(matches!(
        create(8, block(bytes, 32)),
        Some(Error::Misaligned { .. })
    ));
    assert_eq!(fake.rings.borrow().len(), rings);
}
