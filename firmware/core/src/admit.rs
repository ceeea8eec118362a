//! Step 5: is it allowed? Keys, bounds and rights are checked, and names become ranges.
//!
//! Nothing is moved here. What is admitted holds ranges of memory regions, which are looked up
//! again when anything was revoked meanwhile: admission is not a licence for ever.
//!
//! The order is that of the IBTA's responder (9.7.4): first what is wrong with the request itself,
//! then whether the peer is there, then what the request wants of the peer; a receive is taken
//! last, so that a request which is refused costs the peer none.

use unimux_abi::command::Access;
use unimux_abi::completion::{Detail, Status};
use unimux_abi::counters::Counter;
use unimux_abi::limits::MAX_MESSAGE_BYTES;
use unimux_abi::work::{Entry, Flags, Head, MAX_INLINE_BYTES, MAX_SEGMENTS, Opcode};
use unimux_engine::Engine;
use unimux_memory::Span;

use crate::object::{Function, Peer, Pieces, QueuePair, Range, Receive, Region, Source};
use crate::{Firmware, Platform};

/// Why a request was not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The request ends with this.
    Reject(Status, Detail),
    /// The peer is not connected to this queue pair, or not yet.
    NotConnected,
    /// The peer has no receive posted.
    NoReceive,
}

/// Bytes of an atomic's operand (IBTA 9.4.5).
const ATOMIC_BYTES: u64 = 8;

/// What is wrong with the parts of an entry's head that need no lookup, if anything.
const fn malformed(opcode: u8, flags: u8, segments: u8) -> Option<Detail> {
    let Some(opcode) = Opcode::from_bits(opcode) else {
        return Some(Detail::Opcode);
    };
    let Some(flags) = Flags::from_bits(flags) else {
        return Some(Detail::Flags);
    };
    let is_inline = flags.contains(Flags::INLINE);
    match opcode {
        Opcode::Receive => Some(Detail::Opcode),
        _ if segments as usize > MAX_SEGMENTS => Some(Detail::Segments),
        Opcode::CompareSwap | Opcode::FetchAdd if segments != 1 => Some(Detail::Segments),
        Opcode::Read | Opcode::CompareSwap | Opcode::FetchAdd if is_inline => Some(Detail::Flags),
        _ if is_inline && segments != 0 => Some(Detail::Segments),
        _ => None,
    }
}

/// For each opcode, which flags and numbers of segments are not [`malformed`]: the answer to a dozen
/// questions in one look, for every request. Bit `flags + 8 * segments`.
const WELL_FORMED: [u32; 8] = {
    let mut table = [0; 8];
    let mut i = 0;
    while i < 8 * 32 {
        let (opcode, flags, segments) = (i >> 5, i & 7, i >> 3 & 3);
        if malformed(opcode as u8, flags as u8, segments as u8).is_none() {
            table[opcode] |= 1 << (i & 31);
        }
        i += 1;
    }
    table
};

/// The operation that a head asks for, if the head makes sense by itself.
fn operation(head: Head) -> Result<Opcode, Detail> {
    let (flags, segments) = (head.flags(), head.segments());
    let is_in_table = flags < 8 && segments < 4;
    match Opcode::from_bits(head.opcode()) {
        Some(opcode)
            if is_in_table && WELL_FORMED[opcode as usize] >> (flags + 8 * segments) & 1 == 1 =>
        {
            Ok(opcode)
        }
        _ => Err(malformed(head.opcode(), flags, segments).unwrap_or(Detail::Opcode)),
    }
}

impl<E: Engine> Firmware<E> {
    /// Checks the entry that a queue pair has fetched, and makes its request of it.
    pub(crate) fn admit(
        &mut self,
        index: usize,
        qp: u16,
        platform: &mut impl Platform,
    ) -> Result<(), Refusal> {
        let function = &self.functions[index];
        let queue_pair = function.qps.get(qp).ok_or(Refusal::NotConnected)?;
        let (entry, pd) = (&queue_pair.entry, queue_pair.pd);
        let peer = queue_pair.peer.ok_or(Refusal::NotConnected)?;
        let own = Peer {
            function: index as u16,
            qp,
            number: queue_pair.number,
        };
        let reject = |detail| Refusal::Reject(Status::LocalQpOperation, detail);
        let head = entry.head();
        let opcode = operation(head).map_err(reject)?;

        let request = &mut self.requests[index][usize::from(qp)];
        request.begin(own, queue_pair.send_cq, entry, opcode);
        request.revocations = self.revocations;

        let into_memory = opcode == Opcode::Read || opcode.is_atomic();
        let total_bytes = if head.flags() & Flags::INLINE.bits() != 0 {
            request.source = Source::Words;
            let len_bytes = entry.inline_len_bytes();
            if len_bytes > MAX_INLINE_BYTES {
                return Err(reject(Detail::InlineLength));
            }
            u64::from(len_bytes)
        } else if into_memory {
            request.source = match opcode {
                Opcode::Read => Source::Memory,
                _ => Source::Atomic,
            };
            let wanted = Access::LOCAL_WRITE;
            let to = &mut request.destination;
            own_ranges(function, own.function, pd, wanted, entry, to).map_err(refuse_own)?
        } else {
            request.source = Source::Memory;
            let (wanted, from) = (Access::empty(), &mut request.from);
            own_ranges(function, own.function, pd, wanted, entry, from).map_err(refuse_own)?
        };
        request.total_bytes = total_bytes as u32;
        if opcode.is_atomic() && total_bytes != ATOMIC_BYTES {
            return Err(Refusal::Reject(Status::LocalLength, Detail::Length));
        }

        let responder = &self.functions[usize::from(peer.function)];
        let answering = answering(responder, peer, own).ok_or(Refusal::NotConnected)?;
        let (wanted, pieces) = match opcode {
            Opcode::Write | Opcode::WriteImm => (Access::REMOTE_WRITE, &mut request.destination),
            Opcode::Read => (Access::REMOTE_READ, &mut request.from),
            Opcode::CompareSwap | Opcode::FetchAdd => (Access::REMOTE_ATOMIC, &mut request.from),
            Opcode::Send | Opcode::SendImm | Opcode::Receive => {
                let peer_pd = answering.pd;
                return self.take_receive(index, qp, peer, peer_pd, platform);
            }
        };
        remote_range(
            responder,
            peer,
            answering,
            wanted,
            entry,
            total_bytes,
            pieces,
        )?;
        if opcode.consumes_receive() {
            let peer_pd = answering.pd;
            self.take_receive(index, qp, peer, peer_pd, platform)?;
        }
        Ok(())
    }

    /// Takes the peer's next receive, and finds where the message goes.
    ///
    /// A receive that cannot take the message fails on the peer's side as well, as the IBTA has
    /// it (9.9.3.2): it was the peer's to post a good one.
    fn take_receive(
        &mut self,
        index: usize,
        qp: u16,
        peer: Peer,
        pd: u16,
        platform: &mut impl Platform,
    ) -> Result<(), Refusal> {
        let request = &mut self.requests[index][usize::from(qp)];
        let responder = &mut self.functions[usize::from(peer.function)];
        let entry = responder
            .qps
            .get_mut(peer.qp)
            .and_then(QueuePair::fetch_receive);
        let entry = entry.ok_or(Refusal::NoReceive)?;
        let receive = Receive { id: entry.id() };
        request.receive = Some(receive);
        let head = entry.head();
        let is_receive = head.opcode() == Opcode::Receive as u8
            && head.flags() == 0
            && usize::from(head.segments()) <= MAX_SEGMENTS;
        let wrong = if !is_receive {
            Some((Status::LocalQpOperation, Detail::ReceiveEntry))
        } else if request.opcode == Opcode::WriteImm {
            None
        } else {
            let (wanted, to) = (Access::LOCAL_WRITE, &mut request.destination);
            match own_ranges(responder, peer.function, pd, wanted, &entry, to) {
                Ok(room) if room >= u64::from(request.total_bytes) => None,
                Ok(_) => Some((Status::LocalLength, Detail::ReceiveLength)),
                Err(detail) => {
                    if detail == Detail::Key {
                        responder.count(Counter::KeyMisses, 1);
                    }
                    Some((Status::LocalProtection, Detail::ReceiveProtection))
                }
            }
        };
        let Some((status, detail)) = wrong else {
            return Ok(());
        };
        self.fail_receive(peer, receive, status, detail, platform);
        let status = match detail {
            Detail::ReceiveLength => Status::RemoteInvalidRequest,
            _ => Status::RemoteOperation,
        };
        Err(Refusal::Reject(status, detail))
    }
}

/// The refusal of a request whose own segments are wrong.
fn refuse_own(detail: Detail) -> Refusal {
    let status = match detail {
        Detail::Length => Status::LocalLength,
        _ => Status::LocalProtection,
    };
    Refusal::Reject(status, detail)
}

/// Finds the ranges that an entry's segments name, all of `function`'s own memory; returns their
/// length together. The number of segments was checked.
fn own_ranges(
    function: &Function,
    number: u16,
    pd: u16,
    wanted: Access,
    entry: &Entry,
    pieces: &mut Pieces,
) -> Result<u64, Detail> {
    let mut total_bytes = 0;
    for i in 0..usize::from(entry.head().segments()) {
        let segment = entry.segment(i);
        let len_bytes = u64::from(segment.len_bytes);
        total_bytes += len_bytes;
        if total_bytes > MAX_MESSAGE_BYTES {
            return Err(Detail::Length);
        }
        let region = function.regions.by_lkey(segment.lkey).ok_or(Detail::Key)?;
        let offset = region.admit(pd, wanted, segment.address, len_bytes)?;
        pieces.push(Range {
            function: number,
            key: region.lkey,
            serial: region.serial,
            offset,
            len_bytes: segment.len_bytes,
            here: place_in(function, region, offset, segment.len_bytes),
        });
    }
    Ok(total_bytes)
}

/// The queue pair `peer` of `responder`, if it is there, serves requests, and is connected to
/// `own`.
fn answering(responder: &Function, peer: Peer, own: Peer) -> Option<&QueuePair> {
    let queue_pair = responder.qps.get(peer.qp)?;
    let answers =
        responder.is_attached() && queue_pair.number == peer.number && queue_pair.answers(own);
    answers.then_some(queue_pair)
}

/// Where the range is, as much as is in one piece; nothing if there is no memory behind it.
#[inline]
fn place_in(function: &Function, region: &Region, offset: u64, len_bytes: u32) -> Span {
    region
        .piece(offset, len_bytes.into(), &function.pages, &function.windows)
        .unwrap_or(Span::EMPTY)
}

/// Finds the range of the responder's memory that a request names.
///
/// A request without bytes names none, whatever its key says (IBTA 9.7.4.1.5).
#[inline]
fn remote_range(
    responder: &Function,
    peer: Peer,
    answering: &QueuePair,
    wanted: Access,
    entry: &Entry,
    len_bytes: u64,
    pieces: &mut Pieces,
) -> Result<(), Refusal> {
    let denied = |detail| Refusal::Reject(Status::RemoteAccess, detail);
    if !answering.access.contains(wanted) {
        return Err(denied(Detail::Access));
    }
    if len_bytes == 0 {
        return Ok(());
    }
    let address = entry.remote_address();
    if wanted == Access::REMOTE_ATOMIC && !address.is_multiple_of(ATOMIC_BYTES) {
        return Err(Refusal::Reject(
            Status::RemoteInvalidRequest,
            Detail::Alignment,
        ));
    }
    let region = responder.regions.by_rkey(entry.rkey());
    let region = region.ok_or(denied(Detail::Key))?;
    let offset = region.admit(answering.pd, wanted, address, len_bytes);
    let offset = offset.map_err(denied)?;
    pieces.push(Range {
        function: peer.function,
        key: region.rkey,
        serial: region.serial,
        offset,
        len_bytes: len_bytes as u32,
        here: place_in(responder, region, offset, len_bytes as u32),
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_the_same_as_the_questions() {
        for bits in 0..1 << 15 {
            let [opcode, flags, segments] = [0, 5, 10].map(|shift| (bits >> shift & 31) as u8);
            let head = Head::new()
                .with_opcode(opcode)
                .with_flags(flags)
                .with_segments(segments);
            let expected = match malformed(opcode, flags, segments) {
                None => Ok(Opcode::from_bits(opcode).unwrap()),
                Some(detail) => Err(detail),
            };
            assert_eq!(operation(head), expected, "{opcode} {flags} {segments}");
        }
    }
}
