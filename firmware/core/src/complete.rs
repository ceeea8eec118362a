//! Step 7: the engine is done: tell requester and responder.
//!
//! Who receives is told before who sent. An error completion moves its queue pair to the error
//! state, where everything that is posted ends as flushed; the *other* side's queue pair stays as
//! it is, whatever the IBTA would do to it: a guest's mistake costs nobody else a connection.

use unimux_abi::command::QpState;
use unimux_abi::completion::{self, Detail, Head, Status};
use unimux_abi::counters::Counter;
use unimux_abi::response::Event;
use unimux_abi::work::Opcode;
use unimux_engine::{Engine, EngineError};

use crate::object::{Function, Peer, QueuePair, Receive, Request, Stage};
use crate::turn::Step;
use crate::{Firmware, Platform};

/// What a completion says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    pub(crate) id: u64,
    pub(crate) status: Status,
    pub(crate) detail: Detail,
    pub(crate) opcode: u8,
    pub(crate) len_bytes: u32,
    pub(crate) immediate: Option<u32>,
    /// Whether it wakes a guest that waits for solicited completions only.
    pub(crate) is_solicited: bool,
}

impl Outcome {
    /// A request that was carried out.
    #[inline]
    const fn success(request: &Request) -> Self {
        Self {
            id: request.id,
            status: Status::Success,
            detail: Detail::None,
            opcode: request.opcode as u8,
            len_bytes: request.total_bytes,
            immediate: None,
            is_solicited: false,
        }
    }

    /// A request or receive that ended without moving anything.
    const fn failed(id: u64, opcode: u8, status: Status, detail: Detail) -> Self {
        Self {
            id,
            status,
            detail,
            opcode,
            len_bytes: 0,
            immediate: None,
            is_solicited: true,
        }
    }

    #[inline]
    fn entry(self, qp: u16) -> [u64; completion::WORDS] {
        let head = Head::new()
            .with_status(self.status as u8)
            .with_opcode(self.opcode)
            .with_has_immediate(self.immediate.is_some())
            .with_qp(u32::from(qp));
        let immediate = u64::from(self.immediate.unwrap_or(0));
        [
            head.into_bits(),
            self.id,
            u64::from(self.len_bytes) | immediate << 32,
            u64::from(self.detail as u32),
        ]
    }
}

/// What came of a completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// It was written.
    Written,
    /// It was written, and somebody may sleep until it is.
    MayWake,
    /// There is no such queue, or it has overrun.
    Deaf,
    /// The queue has no room for it: it has overrun now, and takes no more.
    Overrun,
}

impl Function {
    /// Writes a completion.
    #[inline]
    fn tell(&mut self, cq: u16, entry: [u64; completion::WORDS]) -> Told {
        let Some(cq) = self.cqs.get_mut(cq) else {
            return Told::Deaf;
        };
        if cq.overrun {
            return Told::Deaf;
        }
        match (cq.ring.push(entry), cq.record) {
            (Ok(()), None) => Told::Written,
            (Ok(()), Some(_)) => Told::MayWake,
            (Err(_), _) => {
                cq.overrun = true;
                Told::Overrun
            }
        }
    }
}

impl<E: Engine> Firmware<E> {
    /// Takes back from the engine what it has finished. Whether there was anything.
    pub(crate) fn reap(&mut self, platform: &mut impl Platform) -> bool {
        let mut any = false;
        while let Some((token, result)) = self.engine.reap() {
            any = true;
            let flight = match result {
                Err(EngineError::Stuck) => self.flights.get_stuck(token),
                _ => self.flights.end(token),
            };
            let Some(flight) = flight else {
                continue;
            };
            let (index, qp) = (usize::from(flight.function), flight.qp);
            let function = &mut self.functions[index];
            let Some(queue_pair) = function.qps.get_mut(qp) else {
                continue;
            };
            if queue_pair.number != flight.number || queue_pair.stage != Stage::Active {
                continue;
            }
            let request = &mut self.requests[index][usize::from(qp)];
            request.in_flight -= 1;
            if result.is_err() {
                request
                    .failure
                    .get_or_insert((Status::Fatal, Detail::Engine));
            }
            function.attention.heat(1 << qp);
            if request.is_over() {
                queue_pair.stage = Stage::Idle;
                self.complete(index, qp, platform);
            }
            self.resume_if_hot(index);
        }
        if any {
            self.feed();
        }
        any
    }

    /// Tells everybody concerned that a queue pair's request is over.
    #[inline]
    pub(crate) fn complete(&mut self, index: usize, qp: u16, platform: &mut impl Platform) {
        let request = &self.requests[index][usize::from(qp)];
        if request.receive.is_some() || request.failure.is_some() {
            self.complete_at_length(index, qp, platform);
            return;
        }
        let function = &mut self.functions[index];
        function.count(Counter::Bytes, u64::from(request.submitted_bytes));
        function.count(Counter::Completed, 1);
        if request.is_signaled() {
            let (cq, outcome) = (request.cq, Outcome::success(request));
            let told = function.tell(cq, outcome.entry(qp));
            self.heed(index, cq, told, outcome.is_solicited, platform);
        }
    }

    /// As [`complete`](Self::complete), of a request that took a receive, or failed.
    fn complete_at_length(&mut self, index: usize, qp: u16, platform: &mut impl Platform) {
        let request = &self.requests[index][usize::from(qp)];
        let (cq, outcome) = (request.cq, Outcome::success(request));
        let (is_signaled, mut failure) = (request.is_signaled(), request.failure);
        self.functions[index].count(Counter::Bytes, u64::from(request.submitted_bytes));
        if let Some(receive) = request.receive
            && !self.complete_receive(index, qp, receive, platform)
        {
            failure.get_or_insert((Status::RemoteOperation, Detail::ReceiveOverrun));
        }
        if let Some((status, detail)) = failure {
            let outcome = Outcome::failed(outcome.id, outcome.opcode, status, detail);
            self.fail(index, qp, outcome, platform);
            return;
        }
        self.functions[index].count(Counter::Completed, 1);
        if is_signaled {
            self.tell(index, qp, cq, outcome, platform);
        }
    }

    /// Ends the entry that a queue pair has fetched, and moves the queue pair to the error state.
    pub(crate) fn fail_entry(
        &mut self,
        index: usize,
        qp: u16,
        status: Status,
        detail: Detail,
        platform: &mut impl Platform,
    ) {
        if let Some(queue_pair) = self.functions[index].qps.get_mut(qp) {
            queue_pair.stage = Stage::Idle;
            let (id, opcode) = (queue_pair.entry.id(), queue_pair.entry.head().opcode());
            self.fail(
                index,
                qp,
                Outcome::failed(id, opcode, status, detail),
                platform,
            );
        }
    }

    /// Ends a receive of `peer` that cannot take what was sent to it.
    pub(crate) fn fail_receive(
        &mut self,
        peer: Peer,
        receive: Receive,
        status: Status,
        detail: Detail,
        platform: &mut impl Platform,
    ) {
        let outcome = Outcome::failed(receive.id, Opcode::Receive as u8, status, detail);
        let index = usize::from(peer.function);
        self.enter_error(index, peer.qp, status, detail);
        self.functions[index].count(Counter::Failed, 1);
        self.tell_receiver(index, peer.qp, outcome, platform);
    }

    /// Ends the next thing of a queue pair in the error state, if it has one.
    pub(crate) fn flush(&mut self, index: usize, qp: u16, platform: &mut impl Platform) -> Step {
        let Some(queue_pair) = self.functions[index].qps.get_mut(qp) else {
            return Step::Nothing;
        };
        match queue_pair.stage {
            Stage::Active => {
                let request = &mut self.requests[index][usize::from(qp)];
                request
                    .failure
                    .get_or_insert((Status::Flushed, Detail::None));
                if request.in_flight > 0 {
                    return Step::Nothing;
                }
                queue_pair.stage = Stage::Idle;
                self.complete(index, qp, platform);
            }
            Stage::Waiting { .. } => {
                self.fail_entry(index, qp, Status::Flushed, Detail::None, platform);
            }
            Stage::Idle => {
                if queue_pair.fetch() {
                    self.fail_entry(index, qp, Status::Flushed, Detail::None, platform);
                    return Step::Done;
                }
                let Some(entry) = queue_pair.fetch_receive() else {
                    return Step::Nothing;
                };
                self.functions[index].count(Counter::Flushed, 1);
                let (id, opcode) = (entry.id(), Opcode::Receive as u8);
                let outcome = Outcome::failed(id, opcode, Status::Flushed, Detail::None);
                self.tell_receiver(index, qp, outcome, platform);
            }
        }
        Step::Done
    }

    /// Moves a queue pair to the error state, if it is not there, and says so in an event.
    pub(crate) fn enter_error(&mut self, index: usize, qp: u16, status: Status, detail: Detail) {
        let function = &mut self.functions[index];
        let Some(queue_pair) = function.qps.get_mut(qp) else {
            return;
        };
        if queue_pair.state == QpState::Error {
            return;
        }
        queue_pair.state = QpState::Error;
        function.attention.waiting &= !(1 << qp);
        self.serve(index, qp);
        self.post_event(
            index,
            0,
            Event::QpFatal,
            [u64::from(qp), status as u64, detail as u64],
        );
    }

    /// Looks at a queue pair from now on.
    pub(crate) fn serve(&mut self, index: usize, qp: u16) {
        let attention = &mut self.functions[index].attention;
        attention.served |= 1 << qp;
        attention.heat(1 << qp);
        self.schedule.wake(index);
    }

    /// Ends the request of a queue pair that will be no more: a receive that it has taken is told.
    pub(crate) fn abandon(&mut self, index: usize, qp: u16, platform: &mut impl Platform) {
        let request = &mut self.requests[index][usize::from(qp)];
        request
            .failure
            .get_or_insert((Status::Flushed, Detail::None));
        if let Some(receive) = request.receive {
            self.complete_receive(index, qp, receive, platform);
        }
    }

    /// Tells the peer that its receive is over. False if its completion queue had no room for
    /// that: the peer will never know what arrived.
    fn complete_receive(
        &mut self,
        index: usize,
        qp: u16,
        receive: Receive,
        platform: &mut impl Platform,
    ) -> bool {
        let request = &self.requests[index][usize::from(qp)];
        let Some(peer) = self.functions[index].qps.get(qp).and_then(|qp| qp.peer) else {
            return true;
        };
        let function = &self.functions[usize::from(peer.function)];
        let peer_qp = function.qps.get(peer.qp);
        if !function.is_attached() || peer_qp.is_none_or(|qp| qp.number != peer.number) {
            return true;
        }
        let opcode = Opcode::Receive as u8;
        let outcome = match request.failure {
            None => Outcome {
                id: receive.id,
                opcode,
                immediate: request
                    .opcode
                    .has_immediate()
                    .then(|| request.head.immediate()),
                is_solicited: request.is_solicited(),
                ..Outcome::success(request)
            },
            // The receive is used up and its buffer may be half written.
            Some(_) => Outcome::failed(receive.id, opcode, Status::RemoteOperation, Detail::None),
        };
        self.tell_receiver(usize::from(peer.function), peer.qp, outcome, platform)
    }

    /// Counts and tells a failure, and moves the queue pair to the error state.
    #[cold]
    fn fail(&mut self, index: usize, qp: u16, outcome: Outcome, platform: &mut impl Platform) {
        let counter = match outcome.status {
            Status::Flushed => Counter::Flushed,
            _ => Counter::Failed,
        };
        self.functions[index].count(counter, 1);
        self.enter_error(index, qp, outcome.status, outcome.detail);
        self.tell_sender(index, qp, outcome, platform);
    }

    fn tell_sender(
        &mut self,
        index: usize,
        qp: u16,
        outcome: Outcome,
        platform: &mut impl Platform,
    ) {
        if let Some(cq) = self.functions[index].qps.get(qp).map(|qp| qp.send_cq) {
            self.tell(index, qp, cq, outcome, platform);
        }
    }

    fn tell_receiver(
        &mut self,
        index: usize,
        qp: u16,
        outcome: Outcome,
        platform: &mut impl Platform,
    ) -> bool {
        let cq = self.functions[index].qps.get(qp).map(|qp| qp.receive_cq);
        cq.is_none_or(|cq| self.tell(index, qp, cq, outcome, platform))
    }

    /// Tells a completion, and does what follows from it. Whether the completion was written.
    fn tell(
        &mut self,
        index: usize,
        qp: u16,
        cq: u16,
        outcome: Outcome,
        platform: &mut impl Platform,
    ) -> bool {
        let told = self.functions[index].tell(cq, outcome.entry(qp));
        self.heed(index, cq, told, outcome.is_solicited, platform);
        matches!(told, Told::Written | Told::MayWake)
    }

    /// Does what follows from a completion.
    #[inline]
    fn heed(
        &mut self,
        index: usize,
        cq: u16,
        told: Told,
        is_solicited: bool,
        platform: &mut impl Platform,
    ) {
        match told {
            Told::Written | Told::Deaf => {}
            Told::MayWake => self.notify(index, cq, is_solicited, platform),
            Told::Overrun => self.overrun(index, cq),
        }
    }

    /// Tells of a completion queue that has overrun, and ends what completes there.
    #[cold]
    fn overrun(&mut self, index: usize, handle: u16) {
        self.post_event(index, 0, Event::CqOverrun, [u64::from(handle), 0, 0]);
        for qp in 0..self.functions[index].quota.qps {
            let on_it = |qp: &QueuePair| qp.send_cq == handle || qp.receive_cq == handle;
            if self.functions[index].qps.get(qp).is_some_and(on_it) {
                self.enter_error(index, qp, Status::Fatal, Detail::ReceiveOverrun);
            }
        }
    }
}
