//! Step 5: is it allowed? Keys, bounds and rights are checked, and names become ranges.
//!
//! Nothing is moved here. What is admitted holds ranges of memory regions, which are looked up
//! again for every block: admission is not a licence for ever.
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

use crate::object::{Peer, Pieces, Range, Receive, Request, Source};
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

/// The parts of an entry that need no lookup.
struct Shape {
    opcode: Opcode,
    segments: usize,
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
            segments,
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
            segments,
            inline_bytes: Some(inline_bytes),
        }),
    }
}

impl<E: Engine> Firmware<E> {
    /// Checks an entry of a send queue and makes a request of it.
    pub(crate) fn admit(
        &mut self,
        index: usize,
        qp: u16,
        entry: &Entry,
        platform: &mut impl Platform,
    ) -> Result<Request, Refusal> {
        let reject = |status| move |detail| Refusal::Reject(status, detail);
        let Shape {
            opcode,
            segments,
            inline_bytes,
        } = shape(entry).map_err(reject(Status::LocalQpOperation))?;
        let queue_pair = self.functions[index]
            .qps
            .get(qp)
            .ok_or(Refusal::NotConnected)?;
        let (pd, peer) = (queue_pair.pd, queue_pair.peer.ok_or(Refusal::NotConnected)?);
        let own = Peer {
            function: index as u16,
            qp,
            number: queue_pair.number,
        };

        let writes_locally = opcode == Opcode::Read || opcode.is_atomic();
        let wanted = if writes_locally {
            Access::LOCAL_WRITE
        } else {
            Access::empty()
        };
        let (local, local_bytes) = self
            .local_ranges(own.function, pd, wanted, entry, segments)
            .map_err(|detail| {
                let status = match detail {
                    Detail::Length => Status::LocalLength,
                    _ => Status::LocalProtection,
                };
                Refusal::Reject(status, detail)
            })?;
        let total_bytes = inline_bytes.map_or(local_bytes, u64::from);
        if opcode.is_atomic() && total_bytes != ATOMIC_BYTES {
            return Err(Refusal::Reject(Status::LocalLength, Detail::Length));
        }

        let Some((peer_pd, peer_access)) = self.responder(own, peer) else {
            return Err(Refusal::NotConnected);
        };
        let remote = self.remote_range(peer, peer_pd, peer_access, opcode, entry, total_bytes)?;

        let mut request = Request {
            id: entry.id(),
            head: entry.head(),
            opcode,
            source: Source::Memory(local),
            destination: Pieces::default(),
            total_bytes: total_bytes as u32,
            submitted_bytes: 0,
            in_flight: 0,
            receive: None,
            failure: None,
        };
        if opcode.consumes_receive() {
            let (receive, pieces) =
                self.take_receive(peer, peer_pd, opcode, total_bytes, platform)?;
            request.receive = Some(receive);
            request.destination = pieces;
        }
        match (opcode, remote) {
            (Opcode::Write | Opcode::WriteImm, Some(remote)) => request.destination.push(remote),
            (Opcode::Read, Some(remote)) => {
                let mut pieces = Pieces::default();
                pieces.push(remote);
                request.source = Source::Memory(pieces);
                request.destination = local;
            }
            (Opcode::CompareSwap | Opcode::FetchAdd, Some(remote)) => {
                request.source = Source::Atomic {
                    remote,
                    operand: entry.operand(),
                    compare: entry.compare(),
                };
                request.destination = local;
            }
            _ => {}
        }
        if inline_bytes.is_some() {
            request.source = Source::Inline(entry.inline_words());
        }
        Ok(request)
    }

    /// The ranges that an entry's segments name, all of the function's own memory, and their
    /// length together.
    fn local_ranges(
        &mut self,
        function: u16,
        pd: u16,
        wanted: Access,
        entry: &Entry,
        segments: usize,
    ) -> Result<(Pieces, u64), Detail> {
        let (mut pieces, mut total_bytes) = (Pieces::default(), 0);
        for i in 0..segments {
            let segment = entry.segment(i);
            let len_bytes = u64::from(segment.len_bytes);
            total_bytes += len_bytes;
            if total_bytes > MAX_MESSAGE_BYTES {
                return Err(Detail::Length);
            }
            let regions = &self.functions[usize::from(function)].regions;
            let Some(region) = regions.by_lkey(segment.lkey) else {
                self.functions[usize::from(function)].count(Counter::KeyMisses, 1);
                return Err(Detail::Key);
            };
            pieces.push(Range {
                function,
                key: region.lkey,
                serial: region.serial,
                offset: region.admit(pd, wanted, segment.address, len_bytes)?,
                len_bytes: segment.len_bytes,
            });
        }
        Ok((pieces, total_bytes))
    }

    /// The protection domain and rights of the queue pair that `own` is connected to, if it is
    /// there, serves requests, and is connected back.
    fn responder(&self, own: Peer, peer: Peer) -> Option<(u16, Access)> {
        let function = self.functions.get(usize::from(peer.function))?;
        let queue_pair = function.qps.get(peer.qp)?;
        (function.is_attached() && queue_pair.number == peer.number && queue_pair.answers(own))
            .then_some((queue_pair.pd, queue_pair.access))
    }

    /// The range of the peer's memory that a request names, if it names one.
    ///
    /// A request without bytes names none, whatever its key says (IBTA 9.7.4.1.5).
    fn remote_range(
        &mut self,
        peer: Peer,
        pd: u16,
        granted: Access,
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
        if !granted.contains(wanted) {
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
        let function = &mut self.functions[usize::from(peer.function)];
        let Some(region) = function.regions.by_rkey(entry.rkey()) else {
            function.count(Counter::KeyMisses, 1);
            return Err(denied(Detail::Key));
        };
        Ok(Some(Range {
            function: peer.function,
            key: region.rkey,
            serial: region.serial,
            offset: region
                .admit(pd, wanted, address, len_bytes)
                .map_err(denied)?,
            len_bytes: len_bytes as u32,
        }))
    }

    /// Takes the peer's next receive, and finds where a message of `message_bytes` goes.
    ///
    /// A receive that cannot take the message fails on the peer's side as well, as the IBTA has
    /// it (9.9.3.2): it was the peer's to post a good one.
    fn take_receive(
        &mut self,
        peer: Peer,
        pd: u16,
        opcode: Opcode,
        message_bytes: u64,
        platform: &mut impl Platform,
    ) -> Result<(Receive, Pieces), Refusal> {
        let entry = self.fetch_receive(peer).ok_or(Refusal::NoReceive)?;
        let receive = Receive { id: entry.id() };
        let head = entry.head();
        let segments = usize::from(head.segments());
        let checked = if head.opcode() != Opcode::Receive as u8
            || head.flags() != 0
            || segments > MAX_SEGMENTS
        {
            Err((Status::LocalQpOperation, Detail::ReceiveEntry))
        } else if opcode == Opcode::WriteImm {
            Ok(Pieces::default())
        } else {
            match self.local_ranges(peer.function, pd, Access::LOCAL_WRITE, &entry, segments) {
                Ok((_, room)) if room < message_bytes => {
                    Err((Status::LocalLength, Detail::ReceiveLength))
                }
                Ok((pieces, _)) => Ok(pieces),
                Err(_) => Err((Status::LocalProtection, Detail::ReceiveProtection)),
            }
        };
        checked
            .map(|pieces| (receive, pieces))
            .map_err(|(status, detail)| {
                self.fail_receive(peer, receive, status, detail, platform);
                let status = match detail {
                    Detail::ReceiveLength => Status::RemoteInvalidRequest,
                    _ => Status::RemoteOperation,
                };
                Refusal::Reject(status, detail)
            })
    }
}
