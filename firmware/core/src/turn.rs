//! Step 3: one turn of a function: its queue pairs, in rotation.
//!
//! A turn does one piece of work for one queue pair, and then it is another function's turn. Here
//! it is decided which of the next steps a queue pair needs; the steps are in their own files.

use unimux_abi::command::QpState;
use unimux_abi::completion::{Detail, Status};
use unimux_abi::counters::Counter;
use unimux_engine::Engine;

use crate::admit::Refusal;
use crate::object::Stage;
use crate::schedule::REQUEST_COST_BYTES;
use crate::{Firmware, Platform};

/// The number of receiver-not-ready retries that means "for ever" (IBTA 9.7.5.2.8).
const RETRY_FOR_EVER: u8 = 7;
/// How long a request waits for the peer's receive before it is tried again.
const RECEIVE_WAIT_NS: u64 = 10_000;
/// How often a request to a peer that is not connected is tried.
const CONNECTION_TRIES: u32 = 8;
/// How long the first of these waits takes; each further one takes twice as long.
const CONNECTION_WAIT_NS: u64 = 1_000_000;

/// How a step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A request is over; the queue pair may have more.
    Done,
    /// Something of a request was moved, and the request is not over.
    Moved,
    /// There is nothing to do for this queue pair now.
    Nothing,
    /// There is, but the engine takes no more copies.
    EngineFull,
}

impl<E: Engine> Firmware<E> {
    /// One turn of a function. Whether there was work.
    pub(crate) fn turn(&mut self, index: usize, platform: &mut impl Platform) -> bool {
        if self.functions[index].attention.begin_turn() {
            self.look_at_ring(index);
        }
        while let Some(qp) = self.functions[index].attention.next_hot() {
            match self.step(index, qp, platform) {
                Step::Done | Step::Moved => {
                    self.functions[index].attention.had_work(qp);
                    return true;
                }
                Step::Nothing => self.functions[index].attention.had_none(qp),
                Step::EngineFull => self.starve(index, qp),
            }
        }
        // Looking on costs nobody anything only while nobody else has work. The ring word is left
        // alone meanwhile: to read it would take its line away from a guest that is about to ring.
        let looks_on = self.schedule.is_alone(index);
        let attention = &mut self.functions[index].attention;
        if looks_on && attention.linger() {
            return false;
        }
        self.look_at_ring(index);
        let attention = &mut self.functions[index].attention;
        if attention.next_hot().is_none() {
            attention.rest();
            self.schedule.sleep(index);
        }
        false
    }

    /// What a queue pair needs next.
    fn step(&mut self, index: usize, qp: u16, platform: &mut impl Platform) -> Step {
        let Some(queue_pair) = self.functions[index].qps.get_mut(qp) else {
            return Step::Nothing;
        };
        match queue_pair.state {
            QpState::ReadyToSend => {}
            QpState::Error => {
                let step = self.flush(index, qp, platform);
                if step == Step::Done {
                    self.schedule.charge(index, REQUEST_COST_BYTES);
                }
                return step;
            }
            QpState::Reset | QpState::Init | QpState::ReadyToReceive => return Step::Nothing,
        }
        let mut overhead_bytes = 0;
        let tries = match queue_pair.stage {
            Stage::Active => None,
            Stage::Waiting { tries, at_ns } => {
                if platform.now_ns() < at_ns {
                    return Step::Nothing;
                }
                queue_pair.stage = Stage::Idle;
                self.functions[index].attention.waiting &= !(1 << qp);
                Some(tries)
            }
            Stage::Idle => {
                if !queue_pair.fetch() {
                    return Step::Nothing;
                }
                overhead_bytes = REQUEST_COST_BYTES;
                Some(0)
            }
        };
        if let Some(tries) = tries
            && let Err(refusal) = self.admit(index, qp, platform)
        {
            self.schedule.charge(index, overhead_bytes);
            return self.refuse(index, qp, refusal, tries, platform);
        }
        let step = self.transfer(index, qp, overhead_bytes, platform);
        let (was_active, is_active) = (tries.is_none(), step != Step::Done);
        if was_active != is_active
            && let Some(queue_pair) = self.functions[index].qps.get_mut(qp)
        {
            queue_pair.stage = if is_active {
                Stage::Active
            } else {
                Stage::Idle
            };
        }
        step
    }

    /// Ends the entry that was fetched with an error, or puts it aside for a while.
    #[cold]
    fn refuse(
        &mut self,
        index: usize,
        qp: u16,
        refusal: Refusal,
        tries: u32,
        platform: &mut impl Platform,
    ) -> Step {
        let wait_ns = match refusal {
            Refusal::Reject(status, detail) => {
                if detail == Detail::Key {
                    self.count_key_miss(index, qp, status);
                }
                self.fail_entry(index, qp, status, detail, platform);
                return Step::Done;
            }
            Refusal::NoReceive => {
                self.functions[index].count(Counter::ReceiverNotReady, 1);
                let retries = self.functions[index]
                    .qps
                    .get(qp)
                    .map_or(0, |qp| qp.rnr_retries);
                if retries != RETRY_FOR_EVER && tries >= u32::from(retries) {
                    let status = Status::ReceiverNotReadyRetryExceeded;
                    self.fail_entry(index, qp, status, Detail::None, platform);
                    return Step::Done;
                }
                RECEIVE_WAIT_NS
            }
            Refusal::NotConnected => {
                if tries >= CONNECTION_TRIES {
                    let (status, detail) = (Status::RetryExceeded, Detail::NotConnected);
                    self.fail_entry(index, qp, status, detail, platform);
                    return Step::Done;
                }
                CONNECTION_WAIT_NS << tries
            }
        };
        let function = &mut self.functions[index];
        if let Some(queue_pair) = function.qps.get_mut(qp) {
            let at_ns = platform.now_ns().saturating_add(wait_ns);
            queue_pair.stage = Stage::Waiting {
                tries: tries.saturating_add(1),
                at_ns,
            };
            function.attention.waiting |= 1 << qp;
            self.watch.set_waiting(index);
        }
        Step::Nothing
    }

    /// Counts a key that opens nothing, for the function whose regions were asked.
    fn count_key_miss(&mut self, index: usize, qp: u16, status: Status) {
        let peer = self.functions[index].qps.get(qp).and_then(|qp| qp.peer);
        let asked = match peer {
            Some(peer) if status == Status::RemoteAccess => usize::from(peer.function),
            _ => index,
        };
        self.functions[asked].count(Counter::KeyMisses, 1);
    }

    /// Makes queue pairs that waited long enough worth a look: those of one function, whichever
    /// is next.
    pub(crate) fn look_at_a_waiting_function(&mut self, platform: &impl Platform) {
        let Some(index) = self.watch.next_waiting() else {
            return;
        };
        if self.limited & 1 << index != 0 && self.look_at_a_limited_function(index, platform) {
            return;
        }
        let function = &mut self.functions[index];
        let now_ns = platform.now_ns();
        let mut left = function.attention.waiting;
        if left == 0 {
            self.watch.clear_waiting(index);
        }
        while left != 0 {
            let qp = left.trailing_zeros() as u16;
            left &= left - 1;
            let due = match function.qps.get(qp).map(|queue_pair| queue_pair.stage) {
                Some(Stage::Waiting { at_ns, .. }) => at_ns <= now_ns,
                _ => true,
            };
            if due {
                function.attention.waiting &= !(1 << qp);
                function.attention.heat(1 << qp);
                self.schedule.wake(index);
            }
        }
    }
}
