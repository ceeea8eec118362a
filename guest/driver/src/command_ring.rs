//! The command ring: one command at a time, and the events that come between.
//!
//! It knows no verbs; it carries seven words there and one word back.

use core::sync::atomic::{AtomicU64, Ordering};

use heapless::Deque;
use unimux_abi::command::{Head, Opcode};
use unimux_abi::completion::{Arm, ArmKind};
use unimux_abi::response::{self, KIND_ANSWER, KIND_EVENT, Status};
use unimux_abi::{control, doorbell};
use unimux_ring::{Consumer, store_then_load};

use crate::size::phase_at;
use crate::{DmaBlock, Error, Event, Platform};

/// How long a verb waits for its answer: five seconds, far longer than any firmware needs.
pub const DEFAULT_TIMEOUT_NS: u64 = 5_000_000_000;

const LOG2: u8 = control::RING_ENTRIES.trailing_zeros() as u8;
const MASK: u32 = control::RING_ENTRIES - 1;
/// Events kept until the guest asks for them.
const KEPT_EVENTS: usize = 32;

/// The guest's end of a control page's two rings.
#[derive(Debug)]
pub(crate) struct CommandRing<P> {
    platform: P,
    commands: &'static [[AtomicU64; 8]],
    responses: Consumer<'static, { response::WORDS }>,
    consumed: &'static AtomicU64,
    arm: &'static AtomicU64,
    /// Commands posted and answers taken, modulo 2^32.
    posted: u32,
    answered: u32,
    rings: u64,
    tag: u16,
    events: Deque<Event, KEPT_EVENTS>,
    lost_events: u64,
    stopped: Option<u64>,
    timeout_ns: u64,
}

impl<P: Platform> CommandRing<P> {
    /// The rings of the control page `page`, which holds zeros.
    pub(crate) fn new(platform: P, page: DmaBlock) -> Result<Self, Error> {
        let at = |offset, len| page.part(offset, len);
        let commands = at(control::COMMANDS, control::RESPONSES - control::COMMANDS)?;
        let responses = at(control::RESPONSES, control::PAGE_BYTES - control::RESPONSES)?;
        let consumed = at(control::RESPONSE_CONSUMER, 8)?;
        let arm = at(control::EVENT_ARM, 8)?;
        // Any number that an earlier driver did not begin with.
        let rings = platform.now_ns();
        Ok(Self {
            platform,
            commands: commands.records(),
            responses: Consumer::new(responses.records())
                .expect("the number of responses is a power of two"),
            consumed: &consumed.words()[0],
            arm: &arm.words()[0],
            posted: 0,
            answered: 0,
            rings,
            tag: 0,
            events: Deque::new(),
            lost_events: 0,
            stopped: None,
            timeout_ns: DEFAULT_TIMEOUT_NS,
        })
    }

    pub(crate) fn platform(&self) -> &P {
        &self.platform
    }

    pub(crate) const fn set_timeout_ns(&mut self, timeout_ns: u64) {
        self.timeout_ns = timeout_ns;
    }

    /// Tells the firmware to look.
    pub(crate) fn ring(&mut self) {
        self.rings = self.rings.wrapping_add(1);
        self.platform
            .store_to_doorbell(doorbell::COMMANDS, self.rings);
    }

    /// Waits until `done` gives something.
    pub(crate) fn wait<T>(
        &mut self,
        mut done: impl FnMut(&mut Self) -> Result<Option<T>, Error>,
    ) -> Result<T, Error> {
        let began = self.platform.now_ns();
        loop {
            // The clock is read first: who was held up for long still looks once more.
            let waited = self.platform.now_ns().saturating_sub(began);
            if let Some(value) = done(self)? {
                return Ok(value);
            }
            if waited >= self.timeout_ns {
                return Err(Error::Timeout);
            }
            self.platform.relax();
        }
    }

    /// Has `opcode` carried out with `arguments`; gives its result.
    pub(crate) fn call(&mut self, opcode: Opcode, arguments: &[u64]) -> Result<u64, Error> {
        let tag = self.post(opcode, arguments)?;
        let (status, result) = self.wait(|ring| ring.take_answer(tag))?;
        match status {
            Status::Success => Ok(result),
            refused => Err(Error::Refused(refused)),
        }
    }

    /// The oldest event that was not asked for yet.
    pub(crate) fn poll_event(&mut self) -> Result<Option<Event>, Error> {
        while self.events.is_empty() {
            // An answer here belongs to a command that timed out: nobody waits for it.
            if self.take()?.is_none() {
                break;
            }
        }
        Ok(self.events.pop_front())
    }

    /// Asks for one interrupt when an event comes; tells whether a response is there already.
    pub(crate) fn arm(&self) -> bool {
        let arm = Arm::new()
            .with_count(self.responses.taken())
            .with_kind(ArmKind::Next as u8);
        self.arm.store(arm.into_bits(), Ordering::Release);
        // Either the firmware sees the arm word after it has filled an entry, or the look below
        // sees the entry: store, then load, on both sides.
        store_then_load();
        self.responses.is_ready() || !self.events.is_empty()
    }

    /// Events that came while [`KEPT_EVENTS`] were kept already.
    pub(crate) const fn lost_events(&self) -> u64 {
        self.lost_events
    }

    /// Writes a command and rings; returns its tag.
    fn post(&mut self, opcode: Opcode, arguments: &[u64]) -> Result<u16, Error> {
        if let Some(reason) = self.stopped {
            return Err(Error::FunctionStopped(reason));
        }
        if self.posted.wrapping_sub(self.answered) >= control::RING_ENTRIES {
            return Err(Error::CommandRingFull);
        }
        self.tag = self.tag.wrapping_add(1);
        let [head, words @ ..] = &self.commands[(self.posted & MASK) as usize];
        for (i, word) in words.iter().enumerate() {
            let argument = arguments.get(i).copied().unwrap_or(0);
            word.store(argument, Ordering::Relaxed);
        }
        let filled = Head::new()
            .with_phase(phase_at(self.posted, LOG2))
            .with_opcode(opcode as u8)
            .with_tag(self.tag);
        // Release: who sees this head sees the arguments.
        head.store(filled.into_bits(), Ordering::Release);
        self.posted = self.posted.wrapping_add(1);
        self.ring();
        Ok(self.tag)
    }

    /// The answer to the command with `tag`, if it is there; keeps events that come before it.
    fn take_answer(&mut self, tag: u16) -> Result<Option<(Status, u64)>, Error> {
        while let Some(entry) = self.take()? {
            let head = entry.head();
            if head.kind() == KIND_ANSWER && head.tag() == tag {
                let status = Status::from_bits(head.code())
                    .ok_or(Error::BrokenResponse(head.into_bits()))?;
                return Ok(Some((status, entry.words()[0])));
            }
        }
        match self.stopped {
            Some(reason) => Err(Error::FunctionStopped(reason)),
            None => Ok(None),
        }
    }

    /// Takes one response out of the ring; an event is kept as well as returned.
    fn take(&mut self) -> Result<Option<response::Entry>, Error> {
        let Some(record) = self.responses.take() else {
            return Ok(None);
        };
        // Release: the firmware fills the entry again only after it was read.
        self.consumed
            .store(u64::from(self.responses.taken()), Ordering::Release);
        let entry = response::Entry(record);
        match entry.head().kind() {
            KIND_ANSWER => self.answered = self.answered.wrapping_add(1),
            KIND_EVENT => self.keep(Event::from_entry(&entry)),
            _ => return Err(Error::BrokenResponse(record[0])),
        }
        Ok(Some(entry))
    }

    fn keep(&mut self, event: Event) {
        if let Event::FunctionFatal { reason } = event {
            self.stopped = Some(reason);
        }
        if self.events.push_back(event).is_err() {
            self.lost_events += 1;
        }
    }
}
