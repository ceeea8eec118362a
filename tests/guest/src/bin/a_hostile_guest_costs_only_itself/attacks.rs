//! The attacks, one after the other, each on a queue pair of its own.

use unimux_abi::completion::{self, RECORD_CONSUMED};
use unimux_abi::work::{Entry, Segment, WORDS};
use unimux_driver::{Access, Counter, Detail, Event, MemoryRegion, Opcode, SendWr, Status};
use unimux_guest_rt::memory::PAGE_BYTES;
use unimux_guest_rt::{Guest, clock};
use unimux_guest_tests::Checks;
use unimux_programs::connection::register;
use unimux_programs::failure::{Failure, ensure};
use unimux_programs::letter::{Letter, Subject};
use unimux_programs::{Buffer, Session};

use crate::function::ALICE;
use crate::target::{ENTRIES, Outcome, Target};

/// How long the noisy attacks go on: 20 ms.
const NOISE_NS: u64 = 20_000_000;

const GUESSES: u32 = 100;

/// What Mallory has.
pub(crate) struct Mallory {
    guest: Guest,
    session: Session,
    region: MemoryRegion,
    /// May only be read, even by Mallory's own requests.
    read_only: MemoryRegion,
}

type Attack = fn(&mut Mallory, &mut Target) -> Result<Outcome, Failure>;
type Wanted = Option<(Status, Detail)>;

/// What is tried, and how it ends for Mallory; `None` where the end depends on the moment.
pub(crate) const ATTACKS: [(&str, Attack, Wanted); 14] = [
    (
        "an unknown opcode",
        unknown_opcode,
        Some((Status::LocalQpOperation, Detail::Opcode)),
    ),
    (
        "an unknown flag",
        unknown_flag,
        Some((Status::LocalQpOperation, Detail::Flags)),
    ),
    (
        "more segments than there are",
        too_many_segments,
        Some((Status::LocalQpOperation, Detail::Segments)),
    ),
    (
        "more inline data than fits",
        too_much_inline,
        Some((Status::LocalQpOperation, Detail::InlineLength)),
    ),
    (
        "lengths whose sum is too large",
        too_long,
        Some((Status::LocalLength, Detail::Length)),
    ),
    (
        "a local key that is nobody's",
        wrong_lkey,
        Some((Status::LocalProtection, Detail::Key)),
    ),
    (
        "a local range that wraps around",
        wrapping,
        Some((Status::LocalProtection, Detail::Bounds)),
    ),
    (
        "a read into read-only memory",
        read_into_read_only,
        Some((Status::LocalProtection, Detail::Access)),
    ),
    (
        "a hundred guesses of a remote key",
        guess_rkeys,
        Some((Status::RemoteAccess, Detail::Key)),
    ),
    (
        "a misaligned atomic",
        misaligned_atomic,
        Some((Status::RemoteInvalidRequest, Detail::Alignment)),
    ),
    ("a queue full of noise", noise, None),
    ("an entry that changes while it is read", changing, None),
    ("a completion queue that is never emptied", overrun, None),
    ("a consumer index from nowhere", wild_consumer, None),
];

/// Carries out the attacks as Alice asks for them.
pub(crate) fn carry_out(mut guest: Guest, checks: &mut Checks) -> Result<(), Failure> {
    let mut session = Session::open(&guest.expect_function(), &mut guest.memory)?;
    let buffer = Buffer::take(&mut guest.memory, PAGE_BYTES)?;
    let region = register(&mut session, buffer)?;
    let ipa = buffer.address();
    let device = &mut session.device;
    let read_only = device.register_range(session.pd, ipa, 4096, ipa, Access::REMOTE_READ)?;
    let mut mallory = Mallory {
        guest,
        session,
        region,
        read_only,
    };
    for (what, attack, wanted) in ATTACKS {
        let number = mallory.session.wait(ALICE, Subject::Task)?.number();
        let cq_entries = 2 * ENTRIES;
        let memory = &mut mallory.guest.memory;
        let mut target = Target::new(&mut mallory.session, memory, cq_entries)?;
        let outcome = attack(&mut mallory, &mut target)?;
        target.close(&mut mallory.session)?;
        while mallory.session.device.poll_event()?.is_some() {}
        checks.equal(what, outcome, Outcome(wanted));
        mallory.session.send(ALICE, Letter::done(number, 0))?;
    }
    Ok(())
}

/// A write of eight bytes that is right in everything.
fn sound(mallory: &Mallory) -> Entry {
    *SendWr::write(mallory.region.segment(0, 8), mallory.region.remote(64)).entry()
}

fn with_head(mut entry: Entry, change: impl FnOnce(u64) -> u64) -> SendWr {
    entry.0[0] = change(entry.0[0]);
    SendWr::from_entry(entry)
}

fn unknown_opcode(mallory: &mut Mallory, target: &mut Target) -> Result<Outcome, Failure> {
    target.post(with_head(sound(mallory), |head| head & !0xff00 | 0x7700))
}

fn unknown_flag(mallory: &mut Mallory, target: &mut Target) -> Result<Outcome, Failure> {
    target.post(with_head(sound(mallory), |head| head | 0x80_0000))
}

fn too_many_segments(mallory: &mut Mallory, target: &mut Target) -> Result<Outcome, Failure> {
    target.post(with_head(sound(mallory), |head| head | 0xff00_0000))
}

fn too_much_inline(mallory: &mut Mallory, target: &mut Target) -> Result<Outcome, Failure> {
    let mut entry = *SendWr::write_u64(7, mallory.region.remote(0)).entry();
    entry.0[3] |= 0xffff_fff0 << 32;
    target.post(SendWr::from_entry(entry))
}

fn too_long(mallory: &mut Mallory, target: &mut Target) -> Result<Outcome, Failure> {
    let all = mallory.region.segment(0, u32::MAX);
    target.post(SendWr::write(all, mallory.region.remote(0)).and(all))
}

fn wrong_lkey(mallory: &mut Mallory, target: &mut Target) -> Result<Outcome, Failure> {
    let segment = Segment {
        lkey: !mallory.region.lkey,
        ..mallory.region.segment(0, 8)
    };
    target.post(SendWr::write(segment, mallory.region.remote(0)))
}

fn wrapping(mallory: &mut Mallory, target: &mut Target) -> Result<Outcome, Failure> {
    let segment = Segment {
        address: u64::MAX - 3,
        ..mallory.region.segment(0, 8)
    };
    target.post(SendWr::write(segment, mallory.region.remote(0)))
}

fn read_into_read_only(mallory: &mut Mallory, target: &mut Target) -> Result<Outcome, Failure> {
    let segment = mallory.read_only.segment(0, 8);
    target.post(SendWr::read(segment, mallory.region.remote(64)))
}

fn guess_rkeys(mallory: &mut Mallory, target: &mut Target) -> Result<Outcome, Failure> {
    let segment = mallory.region.segment(0, 8);
    let mut last = Outcome(None);
    for guess in 0..GUESSES {
        let mut remote = mallory.region.remote(0);
        remote.rkey ^= guess.wrapping_mul(0x9e37_79b9) | 1;
        last = target.post(SendWr::write(segment, remote))?;
        ensure(
            last.0.is_some_and(|it| it.0 == Status::RemoteAccess),
            "no guess is right",
        )?;
        // The queue pair is in the error state: begin again.
        let memory = &mut mallory.guest.memory;
        let next = Target::new(&mut mallory.session, memory, 2 * ENTRIES)?;
        core::mem::replace(target, next).close(&mut mallory.session)?;
    }
    let misses = mallory
        .session
        .device
        .query_counters()?
        .get(Counter::KeyMisses);
    ensure(misses >= u64::from(GUESSES), "every guess is counted")?;
    Ok(last)
}

fn misaligned_atomic(mallory: &mut Mallory, target: &mut Target) -> Result<Outcome, Failure> {
    let old = mallory.region.segment(0, 8);
    target.post(SendWr::fetch_add(old, mallory.region.remote(65), 1))
}

/// Fills the send queue with words that nobody chose and rings.
fn noise(_: &mut Mallory, target: &mut Target) -> Result<Outcome, Failure> {
    let began = clock::now_ns();
    let mut seed = clock::ticks();
    while clock::now_ns() - began < NOISE_NS {
        seed += 1;
        target.send_queue.fill_pattern(seed);
        target.qp.ring();
        while target.cq.poll_one().is_ok_and(|it| it.is_some()) {}
    }
    Ok(Outcome(None))
}

/// Posts sound writes, and changes the entry between sound and not while they are fetched.
fn changing(mallory: &mut Mallory, target: &mut Target) -> Result<Outcome, Failure> {
    let began = clock::now_ns();
    let write = SendWr::from_entry(sound(mallory)).signaled();
    while clock::now_ns() - began < NOISE_NS {
        if target.qp.post_send(&write).is_err() {
            break;
        }
        for word in 0..ENTRIES as usize * WORDS {
            let good = target.send_queue.load(word);
            // The phase stays, so that the firmware reads on.
            target.send_queue.store(word, good ^ 0xffff_ffff_0000_ff00);
            target.send_queue.store(word, good);
        }
        while target.cq.poll_one().is_ok_and(|it| it.is_some()) {}
    }
    Ok(Outcome(None))
}

/// Posts signaled writes into a completion queue of two entries and never looks.
fn overrun(mallory: &mut Mallory, target: &mut Target) -> Result<Outcome, Failure> {
    let memory = &mut mallory.guest.memory;
    let small = Target::new(&mut mallory.session, memory, 2)?;
    core::mem::replace(target, small).close(&mut mallory.session)?;
    let write = SendWr::from_entry(sound(mallory)).signaled();
    for _ in 0..8 {
        target.qp.post_send(&write)?;
    }
    let handle = u32::from(target.cq.handle());
    loop {
        match mallory.session.device.wait_event(NOISE_NS * 100)? {
            Event::CqOverrun { cq } if cq == handle => return Ok(Outcome(None)),
            _ => {}
        }
    }
}

/// Says that billions of completions were taken.
fn wild_consumer(mallory: &mut Mallory, target: &mut Target) -> Result<Outcome, Failure> {
    let record = 2 * ENTRIES as usize * completion::WORDS;
    let consumed = record + RECORD_CONSUMED as usize / 8;
    target.cq_buffer.store(consumed, 0xdead_beef);
    let write = SendWr::from_entry(sound(mallory)).signaled();
    let entry = with_head(*write.entry(), |head| {
        head & !0xff00 | (Opcode::Write as u64) << 8
    });
    target.qp.post_send(&entry)?;
    let began = clock::now_ns();
    while clock::now_ns() - began < NOISE_NS {
        let _ = target.cq.poll_one();
    }
    Ok(Outcome(None))
}
