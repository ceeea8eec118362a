//! Completion queues: polling and arming.
//!
//! It does not know queue pairs; it counts how many completions of each it has taken, in words
//! that the queue pair reads when it needs room (see [`queue_pair`](crate::queue_pair)).

use core::sync::atomic::{AtomicU64, Ordering, fence};

use unimux_abi::completion::{self, Arm, ArmKind, Detail, Entry, Head, Status};
use unimux_abi::work::Opcode;

use crate::size::{DONE_BYTES, log2_of, phase_at};
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
    ring: &'static [[AtomicU64; 4]],
    log2: u8,
    consumed: &'static AtomicU64,
    arm: &'static AtomicU64,
    done: &'static [Done],
    /// Entries taken, modulo 2^32.
    taken: u32,
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

    /// Arguments of the command that makes the queue, but for the flags.
    pub(crate) const fn arguments(&self) -> (u8, u64, u64) {
        (self.log2, self.ring.ipa(), self.record.ipa())
    }
}

impl<P: Platform> CompletionQueue<P> {
    pub(crate) fn new(platform: P, handle: u16, layout: &Layout) -> Self {
        let record = layout.record.words();
        Self {
            platform,
            handle,
            ring: layout.ring.records(),
            log2: layout.log2,
            consumed: &record[(completion::RECORD_CONSUMED / 8) as usize],
            arm: &record[(completion::RECORD_ARM / 8) as usize],
            done: layout.done.records(),
            taken: 0,
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
        1 << self.log2
    }

    /// Takes completions into `completions`; returns how many.
    ///
    /// # Errors
    ///
    /// [`Error::BrokenCompletion`] if the next completion makes no sense; it is taken. Those
    /// before it have been returned by an earlier call.
    pub fn poll(&mut self, completions: &mut [Completion]) -> Result<usize, Error> {
        let mut count = 0;
        for slot in completions {
            let Some(entry) = self.peek(self.taken) else {
                break;
            };
            let decoded = self.decode(&entry);
            if decoded.is_err() && count > 0 {
                break;
            }
            self.taken = self.taken.wrapping_add(1);
            match decoded {
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
        let Some(entry) = self.peek(self.taken) else {
            return Ok(None);
        };
        self.taken = self.taken.wrapping_add(1);
        self.publish();
        self.decode(&entry).map(Some)
    }

    /// Waits for one completion, for `timeout_ns` nanoseconds at most.
    ///
    /// # Errors
    ///
    /// [`Error::Timeout`], or as in [`poll_one`](Self::poll_one).
    pub fn wait_one(&mut self, timeout_ns: u64) -> Result<Completion, Error> {
        if let Some(completion) = self.poll_one()? {
            return Ok(completion);
        }
        let began = self.platform.now_ns();
        loop {
            self.platform.relax();
            // The clock is read first: who was held up for long still looks once more.
            let waited = self.platform.now_ns().saturating_sub(began);
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
        let arm = Arm::new().with_count(self.taken).with_kind(kind as u8);
        self.arm.store(arm.into_bits(), Ordering::Release);
        // Either the firmware sees the arm word after it has filled an entry, or the look below
        // sees the entry: store, then load, on both sides.
        fence(Ordering::SeqCst);
        self.peek(self.taken).is_some()
    }

    /// The completion at `position`, if it is filled.
    #[inline]
    fn peek(&self, position: u32) -> Option<Entry> {
        let index = position as usize & (self.ring.len() - 1);
        let [head, words @ ..] = self.ring.get(index)?;
        // Acquire: the words that were written before this head are read after it.
        let bits = head.load(Ordering::Acquire);
        if Head::from_bits(bits).phase() != phase_at(position, self.log2) {
            return None;
        }
        let mut entry = Entry([bits, 0, 0, 0]);
        for (to, from) in entry.0[1..].iter_mut().zip(words) {
            *to = from.load(Ordering::Relaxed);
        }
        Some(entry)
    }

    /// Makes the entries taken so far free.
    #[inline]
    fn publish(&self) {
        // Release: the firmware fills them again only after they were read.
        self.consumed
            .store(u64::from(self.taken), Ordering::Release);
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
        for ahead in 0..self.entries() {
            let Some(entry) = self.peek(self.taken.wrapping_add(ahead)) else {
                break;
            };
            let head = entry.head();
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
