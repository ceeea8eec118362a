//! The device: attaching, and the control verbs.
//!
//! It does not post or poll; it makes the queue pairs and completion queues that do.

use core::sync::atomic::Ordering;

use unimux_abi::command::{Access, CqFlags, Opcode, QpState};
use unimux_abi::control::{self, Answer, Attach, MAGIC, Offer};
use unimux_abi::counters::{self, Counter};
use unimux_abi::doorbell;

use crate::command_ring::CommandRing;
use crate::{
    CompletionQueue, DmaBlock, Error, Event, MemoryRegion, PageList, Peer, Platform,
    ProtectionDomain, QpOptions, QueuePair, bytes_for_page_list, completion_queue, queue_pair,
};

/// What the function may have, and who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The function's own identity: what peers name in messages and connections.
    pub function: u32,
    /// The firmware's version: major in the high half, minor in the low half.
    pub version: u32,
    /// Protection domains.
    pub max_pds: u16,
    /// Completion queues.
    pub max_cqs: u16,
    /// Queue pairs.
    pub max_qps: u16,
    /// Memory regions.
    pub max_mrs: u16,
    /// Page entries of all page lists together.
    pub max_pages: u32,
}

/// The function's counters, as the firmware last wrote them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters(pub [u64; counters::COUNT]);

impl Counters {
    /// The value of `counter`.
    #[must_use]
    pub const fn get(&self, counter: Counter) -> u64 {
        self.0[counter as usize]
    }
}

/// An attached function.
#[derive(Debug)]
pub struct Device<P> {
    ring: CommandRing<P>,
    page: DmaBlock,
    limits: Limits,
}

/// The handle in a result, which must be below `limit`.
fn handle(result: u64, limit: u16) -> Result<u16, Error> {
    u16::try_from(result)
        .ok()
        .filter(|handle| *handle < limit)
        .ok_or(Error::BrokenResult(result))
}

/// The two halves of a result.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a word of two halves is taken apart"
)]
const fn halves(result: u64) -> (u32, u32) {
    (result as u32, (result >> 32) as u32)
}

impl<P: Platform> Device<P> {
    /// Attaches the function behind `platform`, with `page` as its control page: 4 KiB, aligned to
    /// as much. The page is cleared.
    ///
    /// If the function is attached already, as by a program that was killed, all that was made
    /// with it is gone when this returns, and none of its memory is touched any more.
    ///
    /// # Errors
    ///
    /// [`Error::AttachRefused`] if the firmware does not serve this driver; [`Error::Timeout`] if
    /// it does not answer at all, as when the function is stopped, or when the page is not memory
    /// that the guest may name.
    pub fn attach(platform: P, page: DmaBlock) -> Result<Self, Error> {
        Self::attach_within(platform, page, crate::DEFAULT_TIMEOUT_NS)
    }

    /// As [`attach`](Self::attach), and every wait of the device is `timeout_ns` at most.
    ///
    /// # Errors
    ///
    /// As [`attach`](Self::attach).
    pub fn attach_within(platform: P, page: DmaBlock, timeout_ns: u64) -> Result<Self, Error> {
        page.expect_aligned(control::PAGE_BYTES)?;
        let page = page.part(0, control::PAGE_BYTES)?;
        page.clear();
        let mut ring = CommandRing::new(platform, page)?;
        ring.set_timeout_ns(timeout_ns);
        let offer = Offer::new()
            .with_magic(MAGIC)
            .with_version(unimux_abi::VERSION);
        let word = &page.words()[(control::OFFER / 8) as usize];
        word.store(offer.into_bits(), Ordering::Release);
        ring.platform()
            .store_to_doorbell(doorbell::CONTROL, page.ipa());
        ring.ring();
        let answer = page.part(control::ANSWER, 32)?.words();
        let words = ring.wait(|_| {
            // Acquire: the first word is stored last, so the others are there.
            let first = answer[0].load(Ordering::Acquire);
            let rest = |i: usize| answer[i].load(Ordering::Relaxed);
            Ok((first != 0).then(|| [first, rest(1), rest(2), rest(3)]))
        })?;
        let answer = Answer::from_words(words).ok_or(Error::BrokenAnswer(words[0]))?;
        if answer.attach != Attach::Attached {
            return Err(Error::AttachRefused(answer.attach));
        }
        Ok(Self {
            ring,
            page,
            limits: Limits {
                function: answer.function,
                version: answer.version,
                max_pds: answer.max_pds,
                max_cqs: answer.max_cqs,
                max_qps: answer.max_qps,
                max_mrs: answer.max_mrs,
                max_pages: answer.max_pages,
            },
        })
    }

    /// Leaves the function: all that was made is taken back, and others find nobody there. Its
    /// memory may still be written until the function is attached anew; until then every verb times
    /// out.
    pub fn detach(&mut self) {
        // Names no page that a guest can offer, so nothing is attached instead.
        let nowhere = u64::MAX;
        let platform = self.ring.platform();
        platform.store_to_doorbell(doorbell::CONTROL, nowhere);
        self.ring.ring();
    }

    /// What the function may have, and who it is.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The platform that the device was attached with.
    #[must_use]
    pub fn platform(&self) -> &P {
        self.ring.platform()
    }

    /// Sets how long a verb waits for its answer, in nanoseconds.
    pub const fn set_timeout_ns(&mut self, timeout_ns: u64) {
        self.ring.set_timeout_ns(timeout_ns);
    }

    /// Bytes of a block for a completion queue of `entries` entries.
    #[must_use]
    pub const fn bytes_for_cq(&self, entries: u32) -> u64 {
        crate::bytes_for_cq(entries, self.limits.max_qps)
    }

    /// Does nothing, but asks the firmware to say so.
    ///
    /// # Errors
    ///
    /// As any verb: [`Error::Timeout`], [`Error::FunctionStopped`], [`Error::CommandRingFull`],
    /// [`Error::BrokenResponse`], or [`Error::Refused`] with the firmware's reason.
    pub fn nop(&mut self) -> Result<(), Error> {
        self.ring.call(Opcode::Nop, &[]).map(drop)
    }

    /// A command as it is: for tests, and for firmware newer than this driver.
    ///
    /// # Errors
    ///
    /// As any verb (see [`nop`](Self::nop)).
    pub fn command(&mut self, opcode: Opcode, arguments: [u64; 7]) -> Result<u64, Error> {
        self.ring.call(opcode, &arguments)
    }

    /// Makes a protection domain.
    ///
    /// # Errors
    ///
    /// As any verb (see [`nop`](Self::nop)).
    pub fn alloc_pd(&mut self) -> Result<ProtectionDomain, Error> {
        let result = self.ring.call(Opcode::AllocPd, &[])?;
        let handle = handle(result, self.limits.max_pds)?;
        Ok(ProtectionDomain { handle })
    }

    /// Ends a protection domain that nothing uses.
    ///
    /// # Errors
    ///
    /// As any verb (see [`nop`](Self::nop)).
    pub fn dealloc_pd(&mut self, pd: ProtectionDomain) -> Result<(), Error> {
        let arguments = [u64::from(pd.handle)];
        self.ring.call(Opcode::DeallocPd, &arguments).map(drop)
    }

    /// Registers the `len_bytes` bytes at `ipa`; requests will name its first byte `iova`.
    ///
    /// # Errors
    ///
    /// As any verb (see [`nop`](Self::nop)).
    pub fn register_range(
        &mut self,
        pd: ProtectionDomain,
        ipa: u64,
        len_bytes: u64,
        iova: u64,
        access: Access,
    ) -> Result<MemoryRegion, Error> {
        self.register(pd, access, iova, len_bytes, ipa, 0)
    }

    /// Registers `len_bytes` bytes scattered over pages; requests will name the first byte `iova`,
    /// and the region begins `iova` modulo the page size into the first page.
    ///
    /// # Errors
    ///
    /// [`Error::PagesDoNotCover`], [`Error::BlockTooSmall`] if the list does not fit in its block,
    /// or as any verb (see [`nop`](Self::nop)).
    pub fn register_pages(
        &mut self,
        pd: ProtectionDomain,
        list: &PageList<'_>,
        iova: u64,
        len_bytes: u64,
        access: Access,
    ) -> Result<MemoryRegion, Error> {
        let pages = list.pages.len();
        let short = Error::PagesDoNotCover { pages };
        let page_bytes = 1u64.checked_shl(list.page_shift.into()).ok_or(short)?;
        let spanned = (iova % page_bytes).checked_add(len_bytes).ok_or(short)?;
        if spanned.div_ceil(page_bytes) > pages as u64 {
            return Err(short);
        }
        list.block.expect_aligned(8)?;
        let block = list.block.part(0, bytes_for_page_list(pages))?;
        for (word, page) in block.words().iter().zip(list.pages) {
            word.store(*page, Ordering::Relaxed);
        }
        self.register(pd, access, iova, len_bytes, block.ipa(), list.page_shift)
    }

    fn register(
        &mut self,
        pd: ProtectionDomain,
        access: Access,
        iova: u64,
        len_bytes: u64,
        ipa: u64,
        page_shift: u8,
    ) -> Result<MemoryRegion, Error> {
        let arguments = [
            u64::from(pd.handle) | u64::from(access.bits()) << 32,
            iova,
            len_bytes,
            ipa,
            u64::from(page_shift),
        ];
        let (lkey, rkey) = halves(self.ring.call(Opcode::RegisterMr, &arguments)?);
        Ok(MemoryRegion {
            lkey,
            rkey,
            iova,
            len_bytes,
        })
    }

    /// Ends a memory region: when this returns no access to it is in flight.
    ///
    /// # Errors
    ///
    /// As any verb (see [`nop`](Self::nop)).
    pub fn deregister(&mut self, region: MemoryRegion) -> Result<(), Error> {
        let arguments = [u64::from(region.lkey)];
        self.ring.call(Opcode::DeregisterMr, &arguments).map(drop)
    }

    /// Makes a completion queue of `entries` entries (a power of two) in `block`
    /// ([`bytes_for_cq`](Self::bytes_for_cq) bytes, aligned to 64).
    ///
    /// # Errors
    ///
    /// [`Error::InvalidEntries`], [`Error::BlockTooSmall`], [`Error::Misaligned`], or as any verb
    /// (see [`nop`](Self::nop)).
    pub fn create_cq(
        &mut self,
        entries: u32,
        flags: CqFlags,
        block: DmaBlock,
    ) -> Result<CompletionQueue<P>, Error> {
        let layout = completion_queue::Layout::new(entries, self.limits.max_qps, block)?;
        let (log2, ring, record) = layout.arguments();
        let first = u64::from(log2) | u64::from(flags.bits()) << 32;
        let result = self.ring.call(Opcode::CreateCq, &[first, ring, record])?;
        let handle = handle(result, self.limits.max_cqs)?;
        let platform = self.ring.platform().clone();
        Ok(CompletionQueue::new(platform, handle, flags, &layout))
    }

    /// Ends a completion queue that no queue pair uses. Its memory is the guest's again when this
    /// returns `Ok`.
    ///
    /// # Errors
    ///
    /// As any verb (see [`nop`](Self::nop)).
    pub fn destroy_cq(&mut self, cq: &mut CompletionQueue<P>) -> Result<(), Error> {
        let arguments = [u64::from(cq.handle())];
        self.ring.call(Opcode::DestroyCq, &arguments).map(drop)
    }

    /// Makes a queue pair in `block` ([`bytes_for_qp`](crate::bytes_for_qp) bytes, aligned to 64);
    /// it is in the reset state. Both completion queues may be the same.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidEntries`], [`Error::BlockTooSmall`], [`Error::Misaligned`], or as any verb
    /// (see [`nop`](Self::nop)).
    pub fn create_qp(
        &mut self,
        pd: ProtectionDomain,
        send_cq: &CompletionQueue<P>,
        recv_cq: &CompletionQueue<P>,
        options: QpOptions,
        block: DmaBlock,
    ) -> Result<QueuePair<P>, Error> {
        let layout = queue_pair::Layout::new(options, block)?;
        let ([send_log2, recv_log2], [send, recv]) = layout.arguments();
        let first = u64::from(pd.handle)
            | u64::from(send_cq.handle()) << 16
            | u64::from(recv_cq.handle()) << 32
            | u64::from(send_log2) << 48
            | u64::from(recv_log2) << 56;
        let result = self.ring.call(Opcode::CreateQp, &[first, send, recv])?;
        let (low, number) = halves(result);
        let handle = handle(u64::from(low), self.limits.max_qps)?;
        let counts =
            queue_pair::counts(handle, send_cq, recv_cq).ok_or(Error::BrokenResult(result))?;
        let platform = self.ring.platform().clone();
        Ok(QueuePair::new(platform, handle, number, &layout, counts))
    }

    /// Moves `qp` to another state. Of `peer` its rights count for [`QpState::Init`], its address
    /// for [`QpState::ReadyToReceive`], and its retries for [`QpState::ReadyToSend`].
    ///
    /// To go back to [`QpState::Reset`] use [`reset_qp`](Self::reset_qp), which also empties the
    /// queues.
    ///
    /// # Errors
    ///
    /// As any verb (see [`nop`](Self::nop)).
    pub fn modify_qp(
        &mut self,
        qp: &QueuePair<P>,
        state: QpState,
        peer: Option<&Peer>,
    ) -> Result<(), Error> {
        let mut arguments = [u64::from(qp.handle()) | (state as u64) << 32, 0];
        if let Some(peer) = peer {
            arguments[0] |= u64::from(peer.access.bits()) << 40 | u64::from(peer.rnr_retries) << 48;
            if state == QpState::ReadyToReceive {
                arguments[1] = u64::from(peer.function) | u64::from(peer.qpn) << 32;
            }
        }
        self.ring.call(Opcode::ModifyQp, &arguments).map(drop)
    }

    /// Takes `qp` from the reset state to ready-to-send, connected to `peer`.
    ///
    /// # Errors
    ///
    /// As any verb (see [`nop`](Self::nop)).
    pub fn connect(&mut self, qp: &QueuePair<P>, peer: &Peer) -> Result<(), Error> {
        self.modify_qp(qp, QpState::Init, Some(peer))?;
        self.modify_qp(qp, QpState::ReadyToReceive, Some(peer))?;
        self.modify_qp(qp, QpState::ReadyToSend, Some(peer))
    }

    /// Takes `qp` to the reset state and empties its queues. What was posted and did not complete
    /// yet never does.
    ///
    /// # Errors
    ///
    /// [`Error::ForeignCq`] if these are not its completion queues; nothing was done then. Or as
    /// any verb (see [`nop`](Self::nop)).
    pub fn reset_qp(
        &mut self,
        qp: &mut QueuePair<P>,
        send_cq: &CompletionQueue<P>,
        recv_cq: &CompletionQueue<P>,
    ) -> Result<(), Error> {
        let counts = || queue_pair::counts(qp.handle(), send_cq, recv_cq);
        if !counts().is_some_and(|counts| qp.counts_in(&counts)) {
            return Err(Error::ForeignCq);
        }
        self.modify_qp(qp, QpState::Reset, None)?;
        // Once more: until the answer the firmware may still have completed something.
        let counts = counts().ok_or(Error::ForeignCq)?;
        qp.reset(counts);
        Ok(())
    }

    /// The state of `qp`.
    ///
    /// # Errors
    ///
    /// As any verb (see [`nop`](Self::nop)).
    pub fn query_qp(&mut self, qp: &QueuePair<P>) -> Result<QpState, Error> {
        let arguments = [u64::from(qp.handle())];
        let result = self.ring.call(Opcode::QueryQp, &arguments)?;
        u8::try_from(result)
            .ok()
            .and_then(QpState::from_bits)
            .ok_or(Error::BrokenResult(result))
    }

    /// Ends a queue pair: when this returns `Ok` nothing of it is in flight, and its memory is the
    /// guest's again. Completions that it left can still be polled.
    ///
    /// # Errors
    ///
    /// As any verb (see [`nop`](Self::nop)).
    pub fn destroy_qp(&mut self, qp: &mut QueuePair<P>) -> Result<(), Error> {
        let arguments = [u64::from(qp.handle())];
        self.ring.call(Opcode::DestroyQp, &arguments).map(drop)
    }

    /// The function's counters as of now.
    ///
    /// # Errors
    ///
    /// As any verb (see [`nop`](Self::nop)).
    pub fn query_counters(&mut self) -> Result<Counters, Error> {
        self.ring.call(Opcode::QueryCounters, &[])?;
        let words = self.page.part(control::COUNTERS, counters::BYTES)?.words();
        let mut counters = Counters::default();
        for (to, from) in counters.0.iter_mut().zip(words) {
            *to = from.load(Ordering::Relaxed);
        }
        Ok(counters)
    }

    /// Sends three words to another function, which finds them as [`Event::Message`].
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with [`PeerBusy`](crate::CommandStatus::PeerBusy) if the other has no
    /// room now, or as any verb (see [`nop`](Self::nop)).
    pub fn message(&mut self, function: u32, words: [u64; 3]) -> Result<(), Error> {
        let [a, b, c] = words;
        let arguments = [u64::from(function), a, b, c];
        self.ring.call(Opcode::Message, &arguments).map(drop)
    }

    /// The oldest event that was not taken yet.
    ///
    /// # Errors
    ///
    /// [`Error::BrokenResponse`] if the next response makes no sense; it is taken.
    pub fn poll_event(&mut self) -> Result<Option<Event>, Error> {
        self.ring.poll_event()
    }

    /// Asks for one interrupt when an event comes; tells whether something is there already, which
    /// may then raise none.
    ///
    /// Firmware before version 1.1 raises none at all.
    pub fn arm_events(&mut self) -> bool {
        self.ring.arm()
    }

    /// Waits a moment for an event, by who has waited for `waited_ns` nanoseconds and will for
    /// `timeout_ns`: polling, or after a while asleep, if the platform can.
    pub fn rest(&mut self, waited_ns: u64, timeout_ns: u64) {
        match self.platform().polls_ns() {
            Some(polls_ns) if waited_ns >= polls_ns => {
                if !self.arm_events() {
                    self.platform().sleep(timeout_ns.saturating_sub(waited_ns));
                }
            }
            _ => self.platform().relax(),
        }
    }

    /// Waits for an event, for `timeout_ns` nanoseconds at most.
    ///
    /// # Errors
    ///
    /// [`Error::Timeout`], or as in [`poll_event`](Self::poll_event).
    pub fn wait_event(&mut self, timeout_ns: u64) -> Result<Event, Error> {
        let began = self.platform().now_ns();
        loop {
            let waited = self.platform().now_ns().saturating_sub(began);
            if let Some(event) = self.poll_event()? {
                return Ok(event);
            }
            if waited >= timeout_ns {
                return Err(Error::Timeout);
            }
            self.rest(waited, timeout_ns);
        }
    }

    /// Has the firmware look at the command ring, where nothing may be.
    pub(crate) fn ring(&mut self) {
        self.ring.ring();
    }

    /// Events that the driver had no room to keep, because the guest did not take them.
    #[must_use]
    pub const fn lost_events(&self) -> u64 {
        self.ring.lost_events()
    }
}
