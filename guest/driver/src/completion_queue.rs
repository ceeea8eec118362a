//! Completion queues: polling and arming.
//!
//! It does not know queue pairs; it counts how many completions of each it has taken, in words
//! that the queue pair reads when it needs room (see [`queue_pair`](crate::queue_pair)).

use core::sync::atomic::{AtomicU64, Ordering};

use unimux_abi::command::CqFlags;
use unimux_abi::completion::{self, Arm, ArmKind, Detail, Entry, Status};
use unimux_abi::work::Opcode;
use unimux_ring::{Consumer, store_then_load};

use crate::size::{DONE_BYTES, log2_of};
use crate::{DmaBlock, Error, Platform, bytes_for_cq};

/// How a work request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// The request's id.
    pub id: u64,
    /// Handle of its queue pair.
    pub qp: u32,
    /// How it ended.
    pub status: Status,
    /// What exactly was wrong.
    pub detail: Detail,
    /// What it was; [`Opcode::Receive`] for a receive.
    pub opcode: Opcode,
    /// Bytes moved; of a receive, bytes that arrived.
    pub len_bytes: u32,
    /// Immediate data that came with it.
    pub immediate: Option<u32>,
}

impl Completion {
    /// Whether the request was carried out.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        matches!(self.status, Status::Success)
    }
}

/// What the driver knows of a queue pair's completions: two words behind the ring.
///
/// Each counts in halves: well (low) and badly (high) ended requests, modulo 2^32.
pub(crate) type Done = [AtomicU64; 2];

/// Adds one to the half of `word` that `status` belongs to.
pub(crate) const fn counted(word: u64, success: bool) -> u64 {
    if success {
        word & 0xffff_ffff_0000_0000 | (word & 0xffff_ffff).wrapping_add(1) & 0xffff_ffff
    } else {
        word.wrapping_add(1 << 32)
    }
}

/// The guest's end of a completion queue.
#[derive(Debug)]
pub struct CompletionQueue<P> {
    platform: P,
    handle: u16,
    ring: Consumer<'static, { completion::WORDS }>,
    consumed: &'static AtomicU64,
    arm: &'static AtomicU64,
    done: &'static [Done],
    interrupts: bool,
}

/// Where the parts of a completion queue stand in its block.
pub(crate) struct Layout {
    ring: DmaBlock,
    record: DmaBlock,
    done: DmaBlock,
    log2: u8,
}

impl Layout {
    /// Divides `block`, and clears what it takes.
    pub(crate) fn new(entries: u32, max_qps: u16, block: DmaBlock) -> Result<Self, Error> {
        let log2 = log2_of(entries)?;
        block.expect_aligned(completion::RECORD_BYTES)?;
        let used = block.part(0, bytes_for_cq(entries, max_qps))?;
        used.clear();
        let ring_bytes = u64::from(entries) * completion::BYTES;
        let done_at = ring_bytes + completion::RECORD_BYTES;
        Ok(Self {
            ring: used.part(0, ring_bytes)?,
            record: used.part(ring_bytes, completion::RECORD_BYTES)?,
            done: used.part(done_at, u64::from(max_qps) * DONE_BYTES)?,
            log2,
        })
    }

    fn ring(&self) -> Consumer<'static, { completion::WORDS }> {
        Consumer::new(self.ring.records()).expect("the number of entries is a power of two")
    }

    /// Arguments of the command that makes the queue, but for the flags.
    pub(crate) const fn arguments(&self) -> (u8, u64, u64) {
        (self.log2, self.ring.ipa(), self.record.ipa())
    }
}

impl<P: Platform> CompletionQueue<P> {
    pub(crate) fn new(platform: P, handle: u16, flags: CqFlags, layout: &Layout) -> Self {
        let record = layout.record.words();
        Self {
            platform,
            handle,
            ring: layout.ring(),
            consumed: &record[(completion::RECORD_CONSUMED / 8) as usize],
            arm: &record[(completion::RECORD_ARM / 8) as usize],
            done: layout.done.records(),
            interrupts: flags.contains(CqFlags::INTERRUPTS),
        }
    }

    /// The number by which the function knows it.
    #[must_use]
    pub const fn handle(&self) -> u16 {
        self.handle
    }

    /// How many entries its ring holds. As many requests that will complete may be outstanding on
    /// all its queue pairs; beyond that it can overrun.
    #[must_use]
    pub const fn entries(&self) -> u32 {
        self.ring.entries()
    }

    /// Takes completions into `completions`; returns how many.
    ///
    /// # Errors
    ///
    /// [`Error::BrokenCompletion`] if one makes no sense: the firmware is broken. It is taken, and
    /// so are those before it in the same call.
    pub fn poll(&mut self, completions: &mut [Completion]) -> Result<usize, Error> {
        let mut count = 0;
        for slot in completions {
            let Some(record) = self.ring.take() else {
                break;
            };
            match self.decode(&Entry(record)) {
                Ok(completion) => *slot = completion,
                Err(error) => {
                    self.publish();
                    return Err(error);
                }
            }
            count += 1;
        }
        if count > 0 {
            self.publish();
        }
        Ok(count)
    }

    /// Takes one completion, if there is one.
    ///
    /// # Errors
    ///
    /// [`Error::BrokenCompletion`] if it makes no sense; it is taken.
    #[inline]
    pub fn poll_one(&mut self) -> Result<Option<Completion>, Error> {
        let Some(record) = self.ring.take() else {
            return Ok(None);
        };
        self.publish();
        self.decode(&Entry(record)).map(Some)
    }

    /// Waits for one completion, for `timeout_ns` nanoseconds at most: polling, or after a while
    /// asleep, if the platform can and the queue has
    /// [interrupts](crate::CqFlags::INTERRUPTS).
    ///
    /// # Errors
    ///
    /// [`Error::Timeout`], or as in [`poll_one`](Self::poll_one).
    pub fn wait_one(&mut self, timeout_ns: u64) -> Result<Completion, Error> {
        if let Some(completion) = self.poll_one()? {
            return Ok(completion);
        }
        let began = self.platform.now_ns();
        let mut waited = 0;
        loop {
            match self.platform.polls_ns() {
                Some(polls_ns) if self.interrupts && waited >= polls_ns => {
                    if !self.arm(ArmKind::Next) {
                        self.platform.sleep(timeout_ns - waited);
                    }
                }
                _ => self.platform.relax(),
            }
            // The clock is read first: who was held up for long still looks once more.
            waited = self.platform.now_ns().saturating_sub(began);
            if let Some(completion) = self.poll_one()? {
                return Ok(completion);
            }
            if waited >= timeout_ns {
                return Err(Error::Timeout);
            }
        }
    }

    /// Asks for one interrupt when something of `kind` completes; tells whether completions are
    /// there already, which may then raise none.
    ///
    /// Needs [`CqFlags::INTERRUPTS`](crate::CqFlags::INTERRUPTS).
    pub fn arm(&mut self, kind: ArmKind) -> bool {
        self.publish();
        let arm = Arm::new()
            .with_count(self.ring.taken())
            .with_kind(kind as u8);
        self.arm.store(arm.into_bits(), Ordering::Release);
        // Either the firmware sees the arm word after it has filled an entry, or the look below
        // sees the entry: store, then load, on both sides.
        store_then_load();
        self.ring.is_ready()
    }

    /// Makes the entries taken so far free.
    #[inline]
    fn publish(&self) {
        // Release: the firmware fills them again only after they were read.
        self.consumed
            .store(u64::from(self.ring.taken()), Ordering::Release);
    }

    /// What `entry` says; counts it for its queue pair.
    #[inline]
    fn decode(&self, entry: &Entry) -> Result<Completion, Error> {
        let head = entry.head();
        self.checked(entry)
            .ok_or(Error::BrokenCompletion(head.into_bits()))
    }

    #[inline]
    fn checked(&self, entry: &Entry) -> Option<Completion> {
        let head = entry.head();
        let status = Status::from_bits(head.status())?;
        let opcode = Opcode::from_bits(head.opcode())?;
        let detail = Detail::from_bits(entry.detail())?;
        let done = self.done.get(head.qp() as usize)?;
        let word = &done[usize::from(opcode == Opcode::Receive)];
        // Only the one who polls writes it. Release: the queue pair reuses the request's entry,
        // or what its segments name, only after the completion was read.
        word.store(
            counted(word.load(Ordering::Relaxed), status == Status::Success),
            Ordering::Release,
        );
        Some(Completion {
            id: entry.id(),
            qp: head.qp(),
            status,
            detail,
            opcode,
            len_bytes: entry.len_bytes(),
            immediate: head.has_immediate().then(|| entry.immediate()),
        })
    }

    /// The words of queue pair `qp`, and what they will hold when every completion that is in the
    /// ring now has been taken: where a new queue pair with that handle begins to count.
    pub(crate) fn done_of(&self, qp: u32) -> Option<(&'static Done, [u64; 2])> {
        let done = self.done.get(qp as usize)?;
        let mut will_be = [
            done[0].load(Ordering::Acquire),
            done[1].load(Ordering::Acquire),
        ];
        let mut ahead = self.ring.clone();
        for _ in 0..self.entries() {
            let Some(record) = ahead.take() else {
                break;
            };
            let head = Entry(record).head();
            if head.qp() == qp {
                let word = &mut will_be[usize::from(head.opcode() == Opcode::Receive as u8)];
                *word = counted(*word, head.status() == Status::Success as u8);
            }
        }
        Some((done, will_be))
    }
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn the_halves_of_a_count_do_not_spill() {
        assert_eq!(counted(0x0000_0005_ffff_ffff, true), 0x0000_0005_0000_0000);
        assert_eq!(counted(0xffff_ffff_0000_0007, false), 0x0000_0000_0000_0007);
        assert_eq!(counted(counted(0, true), false), 0x0000_0001_0000_0001);
    }
}
