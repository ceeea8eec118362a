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
use unimux_abi::work::{Entry, Flags, MAX_INLINE_BYTES, MAX_SEGMENTS, Opcode};
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

/// The parts of an entry that need no lookup. Its segments are as many as it has room for.
struct Shape {
    opcode: Opcode,
    inline_bytes: Option<u32>,
}

/// What the entry asks for, if it makes sense by itself.
fn shape(entry: &Entry) -> Result<Shape, Detail> {
    let head = entry.head();
    let opcode = Opcode::from_bits(head.opcode()).ok_or(Detail::Opcode)?;
    let flags = Flags::from_bits(head.flags()).ok_or(Detail::Flags)?;
    let segments = usize::from(head.segments());
    if opcode == Opcode::Receive {
        return Err(Detail::Opcode);
    }
    if segments > MAX_SEGMENTS || opcode.is_atomic() && segments != 1 {
        return Err(Detail::Segments);
    }
    if !flags.contains(Flags::INLINE) {
        return Ok(Shape {
            opcode,
            inline_bytes: None,
        });
    }
    let inline_bytes = entry.inline_len_bytes();
    match opcode {
        Opcode::Read | Opcode::CompareSwap | Opcode::FetchAdd => Err(Detail::Flags),
        _ if segments != 0 => Err(Detail::Segments),
        _ if inline_bytes > MAX_INLINE_BYTES => Err(Detail::InlineLength),
        _ => Ok(Shape {
            opcode,
            inline_bytes: Some(inline_bytes),
        }),
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
        let Shape {
            opcode,
            inline_bytes,
        } = shape(entry).map_err(|detail| Refusal::Reject(Status::LocalQpOperation, detail))?;

        let request = &mut self.requests[index][usize::from(qp)];
        request.id = entry.id();
        request.head = entry.head();
        request.opcode = opcode;
        request.submitted_bytes = 0;
        request.in_flight = 0;
        request.revocations = self.revocations;
        request.receive = None;
        request.failure = None;
        request.from.clear();
        request.destination.clear();

        let into_memory = opcode == Opcode::Read || opcode.is_atomic();
        let total_bytes = if let Some(inline_bytes) = inline_bytes {
            request.source = Source::Inline(entry.inline_words());
            u64::from(inline_bytes)
        } else if into_memory {
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
        let remote = remote_range(responder, peer, answering, opcode, entry, total_bytes)?;
        match (opcode, remote) {
            (Opcode::Write | Opcode::WriteImm, Some(remote)) => request.destination.push(remote),
            (Opcode::Read, remote) => {
                request.source = Source::Memory;
                if let Some(remote) = remote {
                    request.from.push(remote);
                }
            }
            (Opcode::CompareSwap | Opcode::FetchAdd, Some(remote)) => {
                let (operand, compare) = (entry.operand(), entry.compare());
                request.source = Source::Atomic {
                    remote,
                    operand,
                    compare,
                };
            }
            _ => {}
        }
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

/// The range of the responder's memory that a request names, if it names one.
///
/// A request without bytes names none, whatever its key says (IBTA 9.7.4.1.5).
#[inline]
fn remote_range(
    responder: &Function,
    peer: Peer,
    answering: &QueuePair,
    opcode: Opcode,
    entry: &Entry,
    len_bytes: u64,
) -> Result<Option<Range>, Refusal> {
    let denied = |detail| Refusal::Reject(Status::RemoteAccess, detail);
    let wanted = match opcode {
        Opcode::Write | Opcode::WriteImm => Access::REMOTE_WRITE,
        Opcode::Read => Access::REMOTE_READ,
        Opcode::CompareSwap | Opcode::FetchAdd => Access::REMOTE_ATOMIC,
        Opcode::Send | Opcode::SendImm | Opcode::Receive => return Ok(None),
    };
    if !answering.access.contains(wanted) {
        return Err(denied(Detail::Access));
    }
    if len_bytes == 0 {
        return Ok(None);
    }
    let address = entry.remote_address();
    if opcode.is_atomic() && !address.is_multiple_of(ATOMIC_BYTES) {
        return Err(Refusal::Reject(
            Status::RemoteInvalidRequest,
            Detail::Alignment,
        ));
    }
    let region = responder.regions.by_rkey(entry.rkey());
    let region = region.ok_or(denied(Detail::Key))?;
    let offset = region.admit(answering.pd, wanted, address, len_bytes);
    let offset = offset.map_err(denied)?;
    Ok(Some(Range {
        function: peer.function,
        key: region.rkey,
        serial: region.serial,
        offset,
        len_bytes: len_bytes as u32,
        here: place_in(responder, region, offset, len_bytes as u32),
    }))
}
