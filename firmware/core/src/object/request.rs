//! A request that was admitted: what is left to move, and who hears of its end.

use unimux_abi::completion::{Detail, Status};
use unimux_abi::work::{Entry, Flags, Head, MAX_SEGMENTS, Opcode};
use unimux_memory::Span;

use super::Peer;
use crate::flight::Flight;

/// Bytes of a memory region that a request may touch.
///
/// It names the region by key and serial number; where the bytes are is remembered for as long as
/// nothing was revoked. So a region that is gone is not touched any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) function: u16,
    pub(crate) key: u32,
    pub(crate) serial: u64,
    /// From the beginning of the region.
    pub(crate) offset: u64,
    pub(crate) len_bytes: u32,
    /// The memory there, as much as is in one piece. Empty when it has to be looked up.
    pub(crate) here: Span,
}

impl Range {
    /// No bytes of no region.
    const NONE: Self = Self {
        function: 0,
        key: 0,
        serial: 0,
        offset: 0,
        len_bytes: 0,
        here: Span::EMPTY,
    };

    /// Passes `len_bytes` bytes, at most what is [`here`](Self::here). Whether that was all.
    #[inline]
    pub(crate) fn advance(&mut self, len_bytes: u32) -> bool {
        self.here = self.here.split_at(u64::from(len_bytes)).1;
        self.offset += u64::from(len_bytes);
        self.len_bytes -= len_bytes;
        self.len_bytes == 0
    }
}

/// A list of ranges with a position in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pieces {
    ranges: [Range; MAX_SEGMENTS],
    count: u8,
    current: u8,
}

impl Pieces {
    pub(crate) const fn new() -> Self {
        Self {
            ranges: [Range::NONE; MAX_SEGMENTS],
            count: 0,
            current: 0,
        }
    }

    /// Forgets all ranges. What they were stays where it is and means nothing.
    pub(crate) const fn clear(&mut self) {
        self.count = 0;
        self.current = 0;
    }

    /// Appends a range; one without bytes is left out. Whoever calls has counted the segments.
    pub(crate) fn push(&mut self, range: Range) {
        if range.len_bytes > 0 {
            self.ranges[usize::from(self.count)] = range;
            self.count += 1;
        }
    }

    /// The range that is next, without what was passed.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<&mut Range> {
        // No more than there are anyway, said so that one comparison is enough.
        let count = usize::from(self.count).min(MAX_SEGMENTS);
        self.ranges[..count].get_mut(usize::from(self.current))
    }

    /// Passes `len_bytes` bytes, at most what is in one piece [`here`](Range::here).
    #[inline]
    pub(crate) fn advance(&mut self, len_bytes: u32) {
        if let Some(range) = self.next() {
            let is_over = range.advance(len_bytes);
            self.pass(is_over);
        }
    }

    /// Goes on to the next range, if this one is over.
    pub(crate) const fn pass(&mut self, is_over: bool) {
        self.current += is_over as u8;
    }

    /// Has everything looked up again.
    fn forget_places(&mut self) {
        for range in &mut self.ranges {
            range.here = Span::EMPTY;
        }
    }
}

/// Where a request's data comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Memory: the pieces of [`Request::from`].
    Memory,
    /// [`Request::words`], which stood in the entry itself.
    Words,
    /// The word that an atomic leaves behind, the only piece of [`Request::from`]. Its operands are
    /// the last of [`Request::words`].
    Atomic,
}

/// A receive of the peer that the request has taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Receive {
    /// Its work request id.
    pub(crate) id: u64,
}

/// A request in progress. Every queue pair has the place for one, in which it stays.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Whose it is.
    pub(crate) flight: Flight,
    /// The completion queue that hears of its end.
    pub(crate) cq: u16,
    pub(crate) id: u64,
    pub(crate) head: Head,
    pub(crate) opcode: Opcode,
    pub(crate) source: Source,
    /// The second half of the entry.
    pub(crate) words: [u64; 4],
    pub(crate) from: Pieces,
    pub(crate) destination: Pieces,
    pub(crate) total_bytes: u32,
    /// Bytes that were handed to the engine.
    pub(crate) submitted_bytes: u32,
    /// Copies that the engine has not given back.
    pub(crate) in_flight: u16,
    /// How often something had been revoked when the places of its bytes were looked up.
    pub(crate) revocations: u64,
    pub(crate) receive: Option<Receive>,
    /// Why nothing more is handed to the engine.
    pub(crate) failure: Option<(Status, Detail)>,
}

impl Request {
    /// A place without a request.
    pub(crate) const fn none() -> Self {
        Self {
            flight: Flight {
                function: 0,
                qp: 0,
                number: 0,
            },
            cq: 0,
            id: 0,
            head: Head::new(),
            opcode: Opcode::Send,
            source: Source::Words,
            words: [0; 4],
            from: Pieces::new(),
            destination: Pieces::new(),
            total_bytes: 0,
            submitted_bytes: 0,
            in_flight: 0,
            revocations: 0,
            receive: None,
            failure: None,
        }
    }

    /// Makes the place that of a request which moves nothing yet.
    pub(crate) fn begin(&mut self, own: Peer, cq: u16, entry: &Entry, opcode: Opcode) {
        self.flight = Flight {
            function: own.function,
            qp: own.qp,
            number: own.number,
        };
        self.cq = cq;
        self.id = entry.id();
        self.head = entry.head();
        self.opcode = opcode;
        self.words = entry.inline_words();
        self.from.clear();
        self.destination.clear();
        self.submitted_bytes = 0;
        self.in_flight = 0;
        self.receive = None;
        self.failure = None;
    }

    /// Something was revoked since the places of its bytes were looked up: they are looked up
    /// again.
    #[cold]
    pub(crate) fn forget_places(&mut self, revocations: u64) {
        self.revocations = revocations;
        self.from.forget_places();
        self.destination.forget_places();
    }

    /// Whether the guest wants a completion even if all goes well.
    pub(crate) fn is_signaled(&self) -> bool {
        self.head.flags() & Flags::SIGNALED.bits() != 0
    }

    /// Whether the peer's completion counts as solicited.
    pub(crate) fn is_solicited(&self) -> bool {
        self.head.flags() & Flags::SOLICITED.bits() != 0
    }

    /// Whether nothing more is handed to the engine.
    pub(crate) const fn is_all_submitted(&self) -> bool {
        self.failure.is_some() || self.submitted_bytes == self.total_bytes
    }

    /// Whether there is nothing left to do but to tell.
    pub(crate) const fn is_over(&self) -> bool {
        self.in_flight == 0 && self.is_all_submitted()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_walked_range_by_range() {
        let mut pieces = Pieces::new();
        let range = |offset, len_bytes| Range {
            offset,
            len_bytes,
            ..Range::NONE
        };
        pieces.push(range(100, 10));
        pieces.push(range(7, 0));
        pieces.push(range(500, 5));
        let next = |pieces: &mut Pieces| {
            let range = pieces.next()?;
            Some((range.offset, range.len_bytes))
        };
        assert_eq!(next(&mut pieces), Some((100, 10)));
        pieces.advance(8);
        assert_eq!(next(&mut pieces), Some((108, 2)));
        pieces.advance(2);
        assert_eq!(next(&mut pieces), Some((500, 5)));
        pieces.advance(5);
        assert_eq!(next(&mut pieces), None);
    }
}
