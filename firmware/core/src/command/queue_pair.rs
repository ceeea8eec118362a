//! Queue pairs: made, connected, moved through their states, ended.

use unimux_abi::command::{Access, Entry, QpState};
use unimux_abi::completion::{Detail, Status as CompletionStatus};
use unimux_abi::limits::QUEUE_LOG2;
use unimux_abi::response::Status;
use unimux_abi::work;
use unimux_engine::Engine;
use unimux_memory::{Ipa, Span};
use unimux_ring::Consumer;

use super::{Ending, Outcome, arguments, handle};
use crate::object::{Function, Peer, QueuePair, Stage, Unfinished};
use crate::{Firmware, Platform};

impl<E: Engine> Firmware<E> {
    pub(super) fn create_qp(&mut self, index: usize, entry: &Entry) -> Outcome {
        let [shape, send, receive] = arguments(entry)?;
        let [a, b, c, d, e, f, send_log2, receive_log2] = shape.to_le_bytes();
        let pd = u16::from_le_bytes([a, b]);
        let (send_cq, receive_cq) = (u16::from_le_bytes([c, d]), u16::from_le_bytes([e, f]));
        let function = &mut self.functions[index];
        function.pds.get(pd).ok_or(Status::NotFound)?;
        function.cqs.get(send_cq).ok_or(Status::NotFound)?;
        function.cqs.get(receive_cq).ok_or(Status::NotFound)?;
        let rings = [
            ring(function, send, send_log2)?,
            ring(function, receive, receive_log2)?,
        ];
        let (send, receive) = (consumer(rings[0])?, consumer(rings[1])?);
        if !function.qps.has_room() {
            return Err(Status::QuotaExceeded);
        }
        let qps = &function.qps;
        let number = function
            .keys
            .draw_number(|number| qps.iter().all(|qp| qp.number != number));
        let number = number.ok_or(Status::QuotaExceeded)?;
        let made = function.qps.insert(|_| QueuePair {
            number,
            pd,
            state: QpState::Reset,
            access: Access::empty(),
            rnr_retries: 0,
            send_cq,
            receive_cq,
            send,
            receive,
            rings,
            peer: None,
            stage: Stage::Idle,
            entry: work::Entry::default(),
        });
        let made = made.ok_or(Status::QuotaExceeded)?;
        count_users(function, pd, [send_cq, receive_cq], true);
        Ok(Ending::Done(u64::from(made) | u64::from(number) << 32))
    }

    pub(super) fn modify_qp(
        &mut self,
        index: usize,
        entry: &Entry,
        platform: &mut impl Platform,
    ) -> Outcome {
        let [change, peer] = arguments(entry)?;
        let [a, b, c, d, state, access, rnr_retries, 0] = change.to_le_bytes() else {
            return Err(Status::InvalidArgument);
        };
        let qp = handle(u64::from(u32::from_le_bytes([a, b, c, d])))?;
        let to = QpState::from_bits(state).ok_or(Status::InvalidArgument)?;
        let access = Access::from_bits(access).ok_or(Status::InvalidArgument)?;
        if rnr_retries > 7 || peer != 0 && to != QpState::ReadyToReceive {
            return Err(Status::InvalidArgument);
        }
        let from = self.functions[index]
            .qps
            .get(qp)
            .ok_or(Status::NotFound)?
            .state;
        match (from, to) {
            (_, QpState::Reset) => return self.quiesce(index, qp, true, platform),
            (_, QpState::Error) => {
                self.enter_error(index, qp, CompletionStatus::Flushed, Detail::None);
            }
            (QpState::Reset, QpState::Init) => {
                self.change(index, qp, |qp| (qp.state, qp.access) = (to, access));
            }
            (QpState::Init, QpState::ReadyToReceive) => {
                let peer = self.find_peer(index, peer as u32, (peer >> 32) as u32)?;
                self.change(index, qp, |qp| (qp.state, qp.peer) = (to, Some(peer)));
            }
            (QpState::ReadyToReceive, QpState::ReadyToSend) => {
                self.change(index, qp, |qp| {
                    (qp.state, qp.rnr_retries) = (to, rnr_retries)
                });
                self.serve(index, qp);
            }
            _ => return Err(Status::WrongState),
        }
        Ok(Ending::Done(0))
    }

    pub(super) fn destroy_qp(
        &mut self,
        index: usize,
        entry: &Entry,
        platform: &mut impl Platform,
    ) -> Outcome {
        let [qp] = arguments(entry)?;
        let qp = handle(qp)?;
        self.functions[index].qps.get(qp).ok_or(Status::NotFound)?;
        self.quiesce(index, qp, false, platform)
    }

    pub(super) fn query_qp(&mut self, index: usize, entry: &Entry) -> Outcome {
        let [qp] = arguments(entry)?;
        let queue_pair = self.functions[index]
            .qps
            .get(handle(qp)?)
            .ok_or(Status::NotFound)?;
        Ok(Ending::Done(queue_pair.state as u64))
    }

    /// Serves a queue pair no more; when nothing of it is in flight, ends it or begins it anew.
    pub(super) fn quiesce(
        &mut self,
        index: usize,
        qp: u16,
        then_reset: bool,
        platform: &mut impl Platform,
    ) -> Outcome {
        let function = &mut self.functions[index];
        function.attention.drop_qp(qp);
        let Some(queue_pair) = function.qps.get_mut(qp) else {
            return Err(Status::NotFound);
        };
        // Nobody is answered any more, and whoever was admitted finds the other state.
        queue_pair.state = QpState::Reset;
        if queue_pair.stage == Stage::Active {
            if self.requests[index][usize::from(qp)].in_flight > 0 {
                return Ok(Ending::Later(Unfinished::Quiesce { qp, then_reset }));
            }
            queue_pair.stage = Stage::Idle;
            self.abandon(index, qp, platform);
        }
        let function = &mut self.functions[index];
        if then_reset {
            let queue_pair = function.qps.get_mut(qp).ok_or(Status::NotFound)?;
            queue_pair.peer = None;
            queue_pair.stage = Stage::Idle;
            queue_pair.send = consumer(queue_pair.rings[0])?;
            queue_pair.receive = consumer(queue_pair.rings[1])?;
        } else if let Some(ended) = function.qps.remove(qp) {
            count_users(function, ended.pd, [ended.send_cq, ended.receive_cq], false);
        }
        // A peer may be sending into a receive of this queue pair.
        Ok(Ending::Later(Unfinished::Fence(self.flights.mark())))
    }

    /// The queue pair with this number of another function of the same partition.
    fn find_peer(&self, index: usize, function: u32, number: u32) -> Result<Peer, Status> {
        let peer = self.peer_of(index, u64::from(function))?;
        let qps = 0..self.functions[peer].quota.qps;
        let has_number = |qp: &u16| {
            self.functions[peer]
                .qps
                .get(*qp)
                .is_some_and(|qp| qp.number == number)
        };
        let qp = qps.into_iter().find(has_number).ok_or(Status::NoSuchPeer)?;
        Ok(Peer {
            function: peer as u16,
            qp,
            number,
        })
    }

    fn change(&mut self, index: usize, qp: u16, change: impl FnOnce(&mut QueuePair)) {
        if let Some(queue_pair) = self.functions[index].qps.get_mut(qp) {
            change(queue_pair);
        }
    }
}

/// The memory of a work queue of `1 << log2` entries, if the guest may name it.
fn ring(function: &Function, ipa: u64, log2: u8) -> Result<Span, Status> {
    let ipa = Ipa::new(ipa);
    if !QUEUE_LOG2.contains(&log2) || !ipa.is_aligned(work::BYTES) {
        return Err(Status::InvalidArgument);
    }
    function
        .windows
        .translate(ipa, work::BYTES << log2)
        .map_err(|_| Status::OutOfReach)
}

/// A consumer at the start of a work queue.
fn consumer(ring: Span) -> Result<Consumer<'static, { work::WORDS }>, Status> {
    let lines = ring.lines().ok_or(Status::InvalidArgument)?;
    Consumer::new(lines).map_err(|_| Status::InvalidArgument)
}

/// Counts a queue pair in or out of what it uses.
fn count_users(function: &mut Function, pd: u16, cqs: [u16; 2], comes: bool) {
    if let Some(users) = function.pds.get_mut(pd) {
        *users = if comes { *users + 1 } else { *users - 1 };
    }
    for cq in cqs {
        if let Some(cq) = function.cqs.get_mut(cq) {
            cq.users = if comes { cq.users + 1 } else { cq.users - 1 };
        }
    }
}
