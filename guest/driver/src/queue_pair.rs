//! Queue pairs: posting work.
//!
//! It does not poll: completions come through a [`CompletionQueue`](crate::CompletionQueue), which
//! leaves a count of them for the queue pair. From that count the queue pair learns, when its
//! queue looks full, which entries it can use again:
//!
//! - every well ended completion of a send is that of the next *signaled* entry, and frees all
//!   entries up to it (IBTA 10.8.5.1);
//! - once something went wrong every entry completes, so each bad completion frees one entry. Which
//!   unsignaled ones had gone well before is not known; their places come back with
//!   [`QpState::Reset`](crate::QpState::Reset);
//! - every completion of a receive frees one entry.

use core::sync::atomic::{AtomicU64, Ordering};

use unimux_abi::doorbell;
use unimux_abi::work::{Entry, Flags, Head, WORDS};
use unimux_ring::PHASE;

use crate::completion_queue::{CompletionQueue, Done};
use crate::size::{log2_of, phase_at};
use crate::{DmaBlock, Error, Platform, QpOptions, RecvWr, SendWr, bytes_for_qp};

/// One of the two queues.
#[derive(Debug)]
struct WorkQueue {
    entries: &'static [[AtomicU64; WORDS]],
    log2: u8,
    /// Entries filled and entries free again, modulo 2^32.
    posted: u32,
    released: u32,
    /// Completions counted by the completion queue, and how much of the count has been used.
    done: &'static AtomicU64,
    seen: u64,
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a word of two halves is taken apart"
)]
const fn halves(word: u64) -> (u32, u32) {
    (word as u32, (word >> 32) as u32)
}

/// How far `now` is ahead of `seen`, if it is.
const fn ahead(now: u32, seen: u32) -> u32 {
    let ahead = now.wrapping_sub(seen);
    if ahead > u32::MAX / 2 { 0 } else { ahead }
}

impl WorkQueue {
    /// Copies `entry` in and hands it over.
    #[inline]
    fn push(&mut self, entry: &Entry, reclaim: fn(&mut Self)) -> Result<(), Error> {
        let entries = self.entries.len();
        if self.posted.wrapping_sub(self.released) as usize >= entries {
            reclaim(self);
            if self.posted.wrapping_sub(self.released) as usize >= entries {
                return Err(Error::QueueFull);
            }
        }
        let index = self.posted as usize & (entries - 1);
        let Some([head, words @ ..]) = self.entries.get(index) else {
            return Err(Error::QueueFull);
        };
        for (to, from) in words.iter().zip(&entry.0[1..]) {
            to.store(*from, Ordering::Relaxed);
        }
        let phase = u64::from(phase_at(self.posted, self.log2));
        // Release: who sees this head sees the rest of the entry.
        head.store(entry.0[0] & !PHASE | phase, Ordering::Release);
        self.posted = self.posted.wrapping_add(1);
        Ok(())
    }

    /// Frees what completed, in a queue where an entry completes only if it is signaled.
    #[cold]
    fn reclaim_sends(&mut self) {
        let (well, badly) = halves(self.done.load(Ordering::Acquire));
        let (mut seen_well, mut seen_badly) = halves(self.seen);
        while ahead(well, seen_well) > 0 && self.released != self.posted {
            let index = self.released as usize & (self.entries.len() - 1);
            let head = Head::from_bits(self.entries[index][0].load(Ordering::Relaxed));
            if Flags::from_bits_retain(head.flags()).contains(Flags::SIGNALED) {
                seen_well = seen_well.wrapping_add(1);
            }
            self.released = self.released.wrapping_add(1);
        }
        let failed = ahead(badly, seen_badly).min(self.in_use());
        seen_badly = seen_badly.wrapping_add(failed);
        self.released = self.released.wrapping_add(failed);
        self.seen = u64::from(seen_badly) << 32 | u64::from(seen_well);
    }

    /// Frees what completed, in a queue where every entry completes.
    #[cold]
    fn reclaim_receives(&mut self) {
        let (well, badly) = halves(self.done.load(Ordering::Acquire));
        let (mut seen_well, mut seen_badly) = halves(self.seen);
        let succeeded = ahead(well, seen_well).min(self.in_use());
        seen_well = seen_well.wrapping_add(succeeded);
        self.released = self.released.wrapping_add(succeeded);
        let failed = ahead(badly, seen_badly).min(self.in_use());
        seen_badly = seen_badly.wrapping_add(failed);
        self.released = self.released.wrapping_add(failed);
        self.seen = u64::from(seen_badly) << 32 | u64::from(seen_well);
    }

    const fn in_use(&self) -> u32 {
        self.posted.wrapping_sub(self.released)
    }

    /// Begins again: an empty queue whose first lap has phase 1, over zeroed memory.
    fn reset(&mut self, seen: u64) {
        for entry in self.entries {
            for word in entry {
                word.store(0, Ordering::Relaxed);
            }
        }
        self.posted = 0;
        self.released = 0;
        self.seen = seen;
    }
}

/// The guest's end of a queue pair.
#[derive(Debug)]
pub struct QueuePair<P> {
    platform: P,
    handle: u16,
    number: u32,
    send: WorkQueue,
    recv: WorkQueue,
    rings: u32,
}

/// Where the two queues of a queue pair stand in its block.
pub(crate) struct Layout {
    send: DmaBlock,
    recv: DmaBlock,
    send_log2: u8,
    recv_log2: u8,
}

impl Layout {
    /// Divides `block`, and clears what it takes.
    pub(crate) fn new(options: QpOptions, block: DmaBlock) -> Result<Self, Error> {
        let send_log2 = log2_of(options.send_entries)?;
        let recv_log2 = log2_of(options.recv_entries)?;
        block.expect_aligned(unimux_abi::work::BYTES)?;
        let send_bytes = bytes_for_qp(options.send_entries, 0);
        let recv_bytes = bytes_for_qp(0, options.recv_entries);
        let used = block.part(0, send_bytes + recv_bytes)?;
        used.clear();
        Ok(Self {
            send: used.part(0, send_bytes)?,
            recv: used.part(send_bytes, recv_bytes)?,
            send_log2,
            recv_log2,
        })
    }

    /// Sizes as powers of two, and addresses: send queue, receive queue.
    pub(crate) const fn arguments(&self) -> ([u8; 2], [u64; 2]) {
        (
            [self.send_log2, self.recv_log2],
            [self.send.ipa(), self.recv.ipa()],
        )
    }
}

/// A word that a completion queue counts in, and how much it counted before.
type Count = (&'static AtomicU64, u64);

/// The send count of `send_cq` and the receive count of `recv_cq` for queue pair `handle`.
pub(crate) fn counts<P: Platform>(
    handle: u16,
    send_cq: &CompletionQueue<P>,
    recv_cq: &CompletionQueue<P>,
) -> Option<[Count; 2]> {
    let (send, [send_seen, _]): (&Done, _) = send_cq.done_of(u32::from(handle))?;
    let (recv, [_, recv_seen]): (&Done, _) = recv_cq.done_of(u32::from(handle))?;
    Some([(&send[0], send_seen), (&recv[1], recv_seen)])
}

impl<P: Platform> QueuePair<P> {
    pub(crate) fn new(
        platform: P,
        handle: u16,
        number: u32,
        layout: &Layout,
        [send, recv]: [Count; 2],
    ) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "any number that an earlier queue pair with this handle did not end with"
        )]
        let rings = platform.now_ns() as u32;
        Self {
            platform,
            handle,
            number,
            send: WorkQueue {
                entries: layout.send.records(),
                log2: layout.send_log2,
                posted: 0,
                released: 0,
                done: send.0,
                seen: send.1,
            },
            recv: WorkQueue {
                entries: layout.recv.records(),
                log2: layout.recv_log2,
                posted: 0,
                released: 0,
                done: recv.0,
                seen: recv.1,
            },
            rings,
        }
    }

    /// The number by which the function knows it, as completions name it.
    #[must_use]
    pub const fn handle(&self) -> u16 {
        self.handle
    }

    /// Its queue pair number, as peers name it when they connect.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// Posts `request` and rings.
    ///
    /// # Errors
    ///
    /// [`Error::QueueFull`]; nothing was posted.
    #[inline]
    pub fn post_send(&mut self, request: &SendWr) -> Result<(), Error> {
        self.enqueue_send(request)?;
        self.ring();
        Ok(())
    }

    /// Posts as many of `requests` as there is room for, and rings once; returns how many.
    ///
    /// # Errors
    ///
    /// [`Error::QueueFull`] if there was no room for the first.
    pub fn post_sends(&mut self, requests: &[SendWr]) -> Result<usize, Error> {
        let mut posted = 0;
        for request in requests {
            match self.enqueue_send(request) {
                Ok(()) => posted += 1,
                Err(error) if posted == 0 => return Err(error),
                Err(_) => break,
            }
        }
        if posted > 0 {
            self.ring();
        }
        Ok(posted)
    }

    /// Posts `request` without ringing: the firmware may or may not take it before the next
    /// [`ring`](Self::ring).
    ///
    /// # Errors
    ///
    /// [`Error::QueueFull`]; nothing was posted.
    #[inline]
    pub fn enqueue_send(&mut self, request: &SendWr) -> Result<(), Error> {
        self.send.push(&request.0, WorkQueue::reclaim_sends)
    }

    /// Tells the firmware to look at what was posted.
    #[inline]
    pub fn ring(&mut self) {
        self.rings = self.rings.wrapping_add(1);
        let value = doorbell::ring_value(u32::from(self.handle), self.rings);
        self.platform.store_to_doorbell(doorbell::RING, value);
    }

    /// Posts a receive. It needs no ring: the firmware looks when something arrives.
    ///
    /// # Errors
    ///
    /// [`Error::QueueFull`]; nothing was posted.
    #[inline]
    pub fn post_recv(&mut self, request: &RecvWr) -> Result<(), Error> {
        self.recv.push(&request.0, WorkQueue::reclaim_receives)
    }

    /// How many more sends find room now.
    #[must_use]
    pub fn send_room(&mut self) -> u32 {
        self.send.reclaim_sends();
        (1 << self.send.log2) - self.send.in_use()
    }

    /// How many more receives find room now.
    #[must_use]
    pub fn recv_room(&mut self) -> u32 {
        self.recv.reclaim_receives();
        (1 << self.recv.log2) - self.recv.in_use()
    }

    /// Empties both queues; the queue pair is in the reset state.
    pub(crate) fn reset(&mut self, [send, recv]: [Count; 2]) {
        self.send.reset(send.1);
        self.recv.reset(recv.1);
    }

    /// Whether its completions are counted in these words.
    pub(crate) fn counts_in(&self, [send, recv]: &[Count; 2]) -> bool {
        core::ptr::eq(self.send.done, send.0) && core::ptr::eq(self.recv.done, recv.0)
    }
}
