//! Hostile guests, driven by bytes: what a property test and a fuzzer have in common.
//!
//! Each function here takes any bytes, lets a guest do what they say beside a pair of good ones,
//! and panics if the good ones get hurt: a wrong byte, an error, or too little service.

use std::sync::atomic::Ordering;

use unimux_abi::work::{self, Opcode};
use unimux_abi::{command, completion, control, doorbell};
use unimux_driver::{DmaBlock, RecvWr, SendWr};
use unimux_firmware::{FunctionId, Quota};

use crate::{Guest, Node, Pair, RAM_IPA, RawFunction, Shape, Stepped, World, connect, pattern};

/// RAM of every guest here: little, because it is cleared for every input.
const RAM: u64 = 64 * 1024;
const SHAPE: Shape = Shape {
    cq_entries: 16,
    qp: unimux_driver::QpOptions {
        send_entries: 8,
        recv_entries: 8,
    },
    data_bytes: 16 * 1024,
    flags: unimux_driver::CqFlags::INTERRUPTS,
};
const QUOTA: Quota = Quota {
    pds: 4,
    cqs: 4,
    qps: 4,
    mrs: 8,
    pages: 32,
};

/// Commands that [`Scene::armed`] takes: four to make a node, three to connect it.
const ARMED_COMMANDS: u32 = 7;

/// Takes values out of the input; zeros when it is used up.
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl Input<'_> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.byte())
    }

    pub(crate) fn word(&mut self) -> u64 {
        u64::from_le_bytes(self.bytes())
    }

    pub(crate) fn half(&mut self) -> u32 {
        u32::from_le_bytes(self.bytes())
    }

    /// One of `values`, or any word.
    pub(crate) fn like<const N: usize>(&mut self, values: [u64; N]) -> u64 {
        match values.get(usize::from(self.byte()) % (N + 1)) {
            Some(value) => *value,
            None => self.word(),
        }
    }
}

/// A good pair that has always something to do, and notices when it is hurt.
pub(crate) struct Victims {
    pair: Pair,
    sent: u64,
    rounds: u64,
}

/// Bytes of every write of the good pair.
const LEN: usize = 1000;

impl Victims {
    pub(crate) fn new(world: &World) -> Self {
        let mut pair = Pair::of(world, SHAPE, || world.guest_with(RAM, QUOTA, |_| ()));
        pair.a.write(0, &pattern(1, LEN + 256));
        pair.a.device.set_timeout_ns(50_000_000);
        pair.b.device.set_timeout_ns(50_000_000);
        Self {
            pair,
            sent: 0,
            rounds: 0,
        }
    }

    /// One write, received with its immediate data, byte by byte as it was sent.
    pub(crate) fn work(&mut self) {
        let Pair { world, a, b, .. } = &mut self.pair;
        let shift = self.sent % 256;
        let before = world.rounds_so_far();
        b.receive(RecvWr::empty().id(self.sent));
        let local = a.region.segment(shift, LEN as u32);
        let place = self.sent % 7 * 1500;
        let request = SendWr::write_imm(local, b.region.remote(place), self.sent as u32);
        let done = a.run(request.id(self.sent));
        assert!(done.is_success(), "{done:?}");
        assert_eq!(done.id, self.sent);
        let got = b.completion();
        assert!(got.is_success(), "{got:?}");
        assert_eq!(
            (got.id, got.immediate, got.len_bytes),
            (self.sent, Some(self.sent as u32), LEN as u32)
        );
        assert!(
            b.read(place, LEN) == a.read(shift, LEN),
            "the bytes are not those that were sent"
        );
        self.sent += 1;
        self.rounds += world.rounds_so_far() - before;
    }

    /// Nothing else changed, and no write waited for long.
    pub(crate) fn check(&self) {
        assert!(
            self.pair.a.read(0, LEN + 256) == pattern(1, LEN + 256),
            "the sender's own bytes changed"
        );
        let tail = 7 * 1500;
        assert!(
            self.pair.b.read(tail, 4096).iter().all(|byte| *byte == 0),
            "bytes that nobody sent"
        );
        assert!(
            self.rounds <= 100 * (self.sent + 1),
            "{} writes took {} rounds",
            self.sent,
            self.rounds
        );
    }
}

/// A world with victims, a hostile guest, and one that is in league with it.
struct Scene {
    victims: Victims,
    world: World,
    guest: Guest,
    id: FunctionId,
}

impl Scene {
    fn new() -> Self {
        let world = World::default();
        let victims = Victims::new(&world);
        let (guest, id) = world.guest_with(RAM, QUOTA, |_| ());
        Self {
            victims,
            world,
            guest,
            id,
        }
    }

    /// The hostile function, with everything it could have, connected to another one.
    fn armed(&self) -> (Node<Stepped>, Node<Stepped>) {
        let device = self.world.attach(&self.guest).expect("attach");
        let mut hostile = Node::new(device, &self.guest, SHAPE);
        let (friend, _) = self.world.guest_with(RAM, QUOTA, |_| ());
        let device = self.world.attach(&friend).expect("attach");
        let mut friend = Node::new(device, &friend, SHAPE);
        connect(&mut hostile, &mut friend);
        (hostile, friend)
    }

    fn ring(&self, value: u64) {
        self.guest.doorbell[(doorbell::RING / 8) as usize].store(value, Ordering::Release);
    }

    /// The victims are well, and the hostile function can be taken back and given again.
    fn end(mut self) {
        self.victims.work();
        self.victims.check();
        self.world.take_back(self.id);
        assert_eq!(self.world.in_use(self.id), 0, "something leaked");
        self.guest.ram.reset();
        let device = self
            .world
            .attach(&self.guest)
            .expect("the next guest attaches");
        drop(Node::new(device, &self.guest, SHAPE));
        self.victims.work();
    }
}

/// Commands, from sensible to wild.
pub fn commands(input: &[u8]) {
    let mut input = Input(input);
    let mut scene = Scene::new();
    let mut raw = RawFunction::attach(&scene.world, &scene.guest);
    let other = u64::from(scene.victims.pair.a.device.limits().function);
    let other_qpn = u64::from(scene.victims.pair.a.qp.number());
    let mut results = [0u64; 4];
    let (mut posted, mut answered) = (0u32, 0u32);
    while !input.is_empty() {
        let opcode = u64::from(input.byte() % 15);
        let mut words = [
            opcode << 8 | u64::from(input.byte()) << 16,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
        ];
        let arguments = usize::from(input.byte() % 8);
        for word in &mut words[1..=arguments.min(7)] {
            *word = input.like([
                0,
                1,
                3,
                2 | 0xf << 32,
                RAM_IPA,
                RAM_IPA + 0x8000,
                RAM_IPA + RAM - 64,
                0x1000,
                12,
                results[0],
                results[1] & 0xffff_ffff,
                results[2],
                other | other_qpn << 32,
                1 << 32 | results[0] & 0xffff,
                2 << 32 | results[0] & 0xffff,
                3 << 48 | 3 << 56,
                u64::MAX,
            ]);
        }
        if posted.wrapping_sub(answered) < control::RING_ENTRIES {
            raw.post(words);
            posted += 1;
            raw.ring();
        }
        scene.world.rounds(u64::from(input.byte() % 16));
        while let Some(response) = raw.take() {
            if response.head().kind() == unimux_abi::response::KIND_ANSWER {
                answered += 1;
                assert!(
                    unimux_abi::response::Status::from_bits(response.head().code()).is_some(),
                    "every command has an answer, and every answer a status"
                );
                results.rotate_right(1);
                results[0] = response.words()[0];
            }
        }
        if input.byte().is_multiple_of(8) {
            scene.victims.work();
        }
    }
    for _ in 0..1000 {
        if answered == posted {
            break;
        }
        scene.world.rounds(10);
        while let Some(response) = raw.take() {
            answered += u32::from(response.head().kind() == unimux_abi::response::KIND_ANSWER);
        }
    }
    assert_eq!(answered, posted, "no command without an answer");
    scene.end();
}

/// Entries of send and receive queues, from sensible to wild.
pub fn work_entries(input: &[u8]) {
    let mut input = Input(input);
    let mut scene = Scene::new();
    let (mut hostile, mut friend) = scene.armed();
    let victim = &scene.victims.pair.b;
    let (foreign, foreign_iova) = (victim.region, victim.region.iova);
    while !input.is_empty() {
        let entry = wild_entry(&mut input, &hostile, &friend, foreign.rkey, foreign_iova);
        let which = input.byte();
        let posted = match which % 4 {
            0 => hostile.qp.post_recv(&RecvWr::from_entry(entry)).is_ok(),
            1 => friend.qp.post_recv(&RecvWr::from_entry(entry)).is_ok(),
            _ => hostile.qp.post_send(&SendWr::from_entry(entry)).is_ok(),
        };
        scene.world.rounds(u64::from(which >> 4));
        // A completion with an opcode that does not exist is an error of the driver's.
        while !matches!(hostile.cq.poll_one(), Ok(None)) {}
        while !matches!(friend.cq.poll_one(), Ok(None)) {}
        if which & 4 != 0 || !posted {
            let (to_friend, to_hostile) = (friend.as_peer(), hostile.as_peer());
            hostile.reconnect(&to_friend);
            friend.reconnect(&to_hostile);
            scene.victims.work();
        }
    }
    drop((hostile, friend));
    scene.end();
}

/// An entry whose fields are often, but not always, those of a good one.
fn wild_entry(
    input: &mut Input<'_>,
    own: &Node<Stepped>,
    friend: &Node<Stepped>,
    foreign_rkey: u32,
    foreign_iova: u64,
) -> work::Entry {
    let [opcode, flags, segments, pick] = input.bytes();
    let head = work::Head::new()
        .with_opcode(if pick < 250 { opcode % 8 } else { opcode })
        .with_flags(if pick < 240 { flags % 8 } else { flags })
        .with_segments(if pick < 230 { segments % 3 } else { segments })
        .with_immediate(u32::from(pick));
    let mut words = [0; work::WORDS];
    words[0] = head.into_bits();
    words[1] = u64::from(opcode);
    let len = own.region.len_bytes;
    words[2] = input.like([
        friend.region.iova,
        friend.region.iova + 8,
        friend.region.iova + len - 8,
        foreign_iova,
        0,
        u64::MAX,
    ]);
    let key = input.like([
        u64::from(friend.region.rkey),
        u64::from(foreign_rkey),
        u64::from(own.region.lkey),
    ]);
    words[3] = key & 0xffff_ffff | input.like([8, 32, 33]) << 32;
    for at in [4, 6] {
        words[at] = input.like([own.region.iova, own.region.iova + len - 64, foreign_iova, 7]);
        let key = input.like([u64::from(own.region.lkey), u64::from(foreign_rkey)]);
        words[at + 1] = key & 0xffff_ffff | input.like([0, 8, 64, 5000, 1 << 30]) << 32;
    }
    if Opcode::from_bits(opcode % 8).is_some_and(Opcode::is_atomic) && pick % 2 == 0 {
        words[5] = u64::from(own.region.lkey) | 8 << 32;
    }
    work::Entry(words)
}

/// The whole memory of a function: everything that its guest can write, at any time.
pub fn whole_function(input: &[u8]) {
    let mut input = Input(input);
    let mut scene = Scene::new();
    let (hostile, friend) = scene.armed();
    let foreign = scene.victims.pair.b.region;
    let page = scene
        .guest
        .ram
        .all()
        .part(0, control::PAGE_BYTES)
        .expect("the first page");
    let record_at = u64::from(SHAPE.cq_entries) * completion::BYTES;
    let record = hostile.cq_block.part(record_at, 64).expect("it has one");
    let (mut filled, mut commands) = (0u32, 0u32);
    while !input.is_empty() {
        let place = |input: &mut Input<'_>, block: DmaBlock| {
            &block.words()[input.half() as usize % block.words().len()]
        };
        match input.byte() % 12 {
            0 => scene.ring(input.word()),
            1 => {
                let control = input.like([RAM_IPA, RAM_IPA + 4096, 8]);
                scene.guest.doorbell[1].store(control, Ordering::Release);
            }
            2 => {
                let word = place(&mut input, scene.guest.ram.all());
                word.store(input.word(), Ordering::Release);
            }
            3 => place(&mut input, page).store(input.word(), Ordering::Release),
            4 => place(&mut input, hostile.qp_block).store(input.word(), Ordering::Release),
            5 => place(&mut input, hostile.cq_block).store(input.word(), Ordering::Release),
            6 => {
                let taken = input.like([0, 1, 15, 16, 17, u64::from(u32::MAX)]);
                record.words()[0].store(taken, Ordering::Release);
            }
            7 => {
                let taken = input.like([0, 1, 31, 32, 33, u64::from(u32::MAX)]);
                let at = (control::RESPONSE_CONSUMER / 8) as usize;
                page.words()[at].store(taken, Ordering::Release);
            }
            8 => record.words()[1].store(input.like([0, 1 << 32, 2 << 32]), Ordering::Release),
            9 => {
                let entry = wild_entry(&mut input, &hostile, &friend, foreign.rkey, foreign.iova);
                let at = (filled % 8) as usize * work::WORDS;
                store(&hostile.qp_block, at, &entry.0, filled & 8 == 0);
                filled += 1;
                scene.ring(u64::from(filled) << 8);
            }
            10 => {
                let mut words = [0; command::WORDS];
                words[0] = u64::from(input.byte() % 14) << 8;
                for word in words.iter_mut().skip(1).take(3) {
                    *word = input.like([0, 1, RAM_IPA, 6 << 32, 1 << 32]);
                }
                let at = commands + ARMED_COMMANDS;
                let place = (control::COMMANDS / 8) as usize + (at % 32) as usize * 8;
                store(&page, place, &words, at & 32 == 0);
                commands += 1;
                let word = (doorbell::COMMANDS / 8) as usize;
                scene.guest.doorbell[word].store(commands.into(), Ordering::Release);
            }
            _ => scene.victims.work(),
        }
        scene.world.rounds(u64::from(input.byte() % 8));
    }
    drop((hostile, friend));
    scene.end();
}

/// Writes a record with its phase, head last.
fn store(block: &DmaBlock, at: usize, words: &[u64; 8], phase: bool) {
    let line = &block.words()[at..at + 8];
    for (word, value) in line.iter().zip(words).skip(1) {
        word.store(*value, Ordering::Relaxed);
    }
    line[0].store(words[0] & !1 | u64::from(phase), Ordering::Release);
}
