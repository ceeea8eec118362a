//! The control verbs: a command is taken, carried out in bounded slices, and answered.
//!
//! Each file has the verbs of one kind of object. A verb gets a copy of the command's arguments;
//! it ends with a result, a status, or with what is left to do later.
//!
//! *Commands never starve data.* While some function has data to move, commands of all functions
//! together get one part in [`CONTROL_SHARE`] of the engine core's time; a guest that storms its
//! command ring competes with other commands only.

mod attach;
mod attach_anew;
mod completion_queue;
mod domain;
mod message;
mod physical;
mod queue_pair;
mod region;

use unimux_abi::command::{Entry, Head, Opcode, WORDS};
use unimux_abi::control;
use unimux_abi::counters::{self, Counter};
use unimux_abi::response::{self, Event, KIND_ANSWER, KIND_EVENT, Status};
use unimux_engine::Engine;
use unimux_ring::NoRoom;

use crate::doorbell::next_in_rotation;
use crate::object::{Serving, Unfinished};
use crate::{Firmware, Platform};

/// One part in so many of the engine core's time is for commands while data waits.
const CONTROL_SHARE: u64 = 96;
/// Cycles that commands can save up: a few commands' worth.
const CREDIT_LIMIT: i64 = 4_000;
/// Cycles that they can owe.
const DEBT_LIMIT: i64 = 20_000;

/// Which functions may have commands, and how much time there is for them.
#[derive(Debug)]
pub(crate) struct ControlBudget {
    functions: u64,
    last: u32,
    balance_cycles: i64,
}

impl ControlBudget {
    /// All that can be saved up, and nobody who has a command.
    pub(crate) const fn new() -> Self {
        Self {
            functions: 0,
            last: 0,
            balance_cycles: CREDIT_LIMIT,
        }
    }

    /// The function may have a command.
    pub(crate) const fn look_at(&mut self, function: usize) {
        self.functions |= 1 << function;
    }

    /// The function has none.
    pub(crate) const fn forget(&mut self, function: usize) {
        self.functions &= !(1 << function);
    }

    pub(crate) const fn has_work(&self) -> bool {
        self.functions != 0
    }

    /// Data kept the core busy for so long.
    pub(crate) fn earn(&mut self, cycles: u64) {
        let earned = i64::try_from(cycles / CONTROL_SHARE).unwrap_or(i64::MAX);
        self.balance_cycles = self.balance_cycles.saturating_add(earned).min(CREDIT_LIMIT);
    }

    fn spend(&mut self, cycles: u64) {
        let spent = i64::try_from(cycles).unwrap_or(i64::MAX);
        self.balance_cycles = self.balance_cycles.saturating_sub(spent).max(-DEBT_LIMIT);
    }

    /// Whether there may be a command that there is time for, although data waits.
    pub(crate) const fn is_due(&self) -> bool {
        self.functions != 0 && self.balance_cycles > 0
    }

    /// The function whose command is next, if there is time for one.
    fn next(&mut self, data_waits: bool) -> Option<usize> {
        if data_waits && self.balance_cycles <= 0 {
            return None;
        }
        let function = next_in_rotation(self.functions, self.last)?;
        self.last = function;
        Some(function as usize)
    }
}

/// How a verb went.
pub(crate) type Outcome = Result<Ending, Status>;

/// The end of a verb, or not yet.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ending {
    /// It is done, and this is the result.
    Done(u64),
    /// This is left to do.
    Later(Unfinished),
}

/// The `N` words of arguments that a command has; the words after them must be zero.
fn arguments<const N: usize>(entry: &Entry) -> Result<[u64; N], Status> {
    let all = entry.arguments();
    let (arguments, rest) = all.split_at(N);
    if rest.iter().any(|&word| word != 0) {
        return Err(Status::InvalidArgument);
    }
    arguments.try_into().map_err(|_| Status::InvalidArgument)
}

/// A handle, as far as it can be one.
fn handle(argument: u64) -> Result<u16, Status> {
    u16::try_from(argument).map_err(|_| Status::NotFound)
}

impl<E: Engine> Firmware<E> {
    /// One slice of one command of one function, if there is one and time for it. Whether there
    /// was work.
    pub(crate) fn command_slice(&mut self, data_waits: bool, platform: &mut impl Platform) -> bool {
        let Some(index) = self.control.next(data_waits) else {
            return false;
        };
        let before = platform.cycles();
        let worked = match self.functions[index].serving {
            Serving::Given => {
                self.control.forget(index);
                self.attach(index)
            }
            Serving::Attached => self.makes_way(index) || self.command(index, platform),
            Serving::Free | Serving::Stopped | Serving::Leaving(_) => {
                self.control.forget(index);
                false
            }
        };
        let cycles = platform.cycles().wrapping_sub(before);
        if data_waits {
            self.control.spend(cycles);
        }
        if worked {
            self.functions[index].count(Counter::BusyCycles, cycles);
            self.busy_cycles = self.busy_cycles.wrapping_add(cycles);
        }
        worked
    }

    /// Goes on with the command that is not finished, or takes the next one.
    fn command(&mut self, index: usize, platform: &mut impl Platform) -> bool {
        if self.is_physical(index) {
            self.tell_host(platform);
        }
        self.notify_events(index, platform);
        if let Some((tag, unfinished)) = self.functions[index].unfinished.take() {
            let outcome = self.go_on(index, unfinished, platform);
            let waits = matches!(
                outcome,
                Ok(Ending::Later(
                    Unfinished::Fence(_) | Unfinished::TakeBack { .. }
                ))
            );
            self.end_command(index, tag, outcome);
            return !waits;
        }
        let Some(control) = &mut self.functions[index].control else {
            return false;
        };
        match control.responses.room(1) {
            Ok(_) => {}
            Err(NoRoom::Full) => return false,
            Err(NoRoom::Broken) => {
                self.stop(index);
                return false;
            }
        }
        let Some(entry) = control.commands.take().map(Entry) else {
            self.control.forget(index);
            return false;
        };
        let outcome = self.execute(index, &entry, platform);
        self.end_command(index, entry.head().tag(), outcome);
        true
    }

    /// Carries out a command, or begins to.
    fn execute(&mut self, index: usize, entry: &Entry, platform: &mut impl Platform) -> Outcome {
        let head = entry.head();
        let plain = Head::new()
            .with_phase(head.phase())
            .with_opcode(head.opcode())
            .with_tag(head.tag());
        if head != plain {
            return Err(Status::InvalidArgument);
        }
        match Opcode::from_bits(head.opcode()).ok_or(Status::NotSupported)? {
            Opcode::Nop => arguments::<0>(entry).map(|_| Ending::Done(0)),
            Opcode::QueryCounters => self.query_counters(index, entry),
            Opcode::AllocPd => self.alloc_pd(index, entry),
            Opcode::DeallocPd => self.dealloc_pd(index, entry),
            Opcode::RegisterMr => self.register_mr(index, entry),
            Opcode::DeregisterMr => self.deregister_mr(index, entry),
            Opcode::CreateCq => self.create_cq(index, entry),
            Opcode::DestroyCq => self.destroy_cq(index, entry),
            Opcode::CreateQp => self.create_qp(index, entry),
            Opcode::ModifyQp => self.modify_qp(index, entry, platform),
            Opcode::DestroyQp => self.destroy_qp(index, entry, platform),
            Opcode::QueryQp => self.query_qp(index, entry),
            Opcode::Message => self.message(index, entry),
            opcode => self.physical_command(index, opcode, entry, platform),
        }
    }

    /// Goes on with a command that could not be finished at once.
    fn go_on(
        &mut self,
        index: usize,
        unfinished: Unfinished,
        platform: &mut impl Platform,
    ) -> Outcome {
        match unfinished {
            Unfinished::Fence(mark) if self.flights.has_passed(mark) => Ok(Ending::Done(0)),
            Unfinished::Fence(_) => Ok(Ending::Later(unfinished)),
            Unfinished::Quiesce { qp, then_reset } => self.quiesce(index, qp, then_reset, platform),
            Unfinished::TakeBack { tenant } => self.await_take_back(tenant),
            Unfinished::Grant(pages) => self.go_on_granting(pages, platform),
            Unfinished::Ungrant(pages, status) => self.go_on_ungranting(pages, status),
            Unfinished::Pages(register) => self.copy_pages(index, register),
        }
    }

    /// Answers a command, or keeps what is left of it.
    fn end_command(&mut self, index: usize, tag: u16, outcome: Outcome) {
        let function = &mut self.functions[index];
        let (status, result) = match outcome {
            Ok(Ending::Later(unfinished)) => {
                function.unfinished = Some((tag, unfinished));
                return;
            }
            Ok(Ending::Done(result)) => (Status::Success, result),
            Err(status) => (status, 0),
        };
        function.count(Counter::Commands, 1);
        let head = response::Head::new()
            .with_kind(KIND_ANSWER)
            .with_code(status as u16)
            .with_tag(tag);
        let Some(control) = &mut function.control else {
            return;
        };
        // Events may have taken the room that there was; the last place is kept for the answer.
        let pushed = control.responses.push([head.into_bits(), result, 0, 0]);
        if pushed.is_err() {
            self.stop(index);
        }
    }

    /// Tells a function's guest what happened. Whether there was room for it.
    ///
    /// An event leaves one place free, for the answer to a command that was taken.
    pub(crate) fn post_event(
        &mut self,
        index: usize,
        source: u16,
        event: Event,
        words: [u64; 3],
    ) -> bool {
        let function = &mut self.functions[index];
        let head = response::Head::new()
            .with_kind(KIND_EVENT)
            .with_code(event as u16)
            .with_source(source);
        let [a, b, c] = words;
        let pushed = function.control.as_mut().is_some_and(|control| {
            control.responses.room(2).is_ok()
                && control.responses.push([head.into_bits(), a, b, c]).is_ok()
        });
        if let Some(control) = function.control.as_mut().filter(|_| pushed) {
            control.has_events = true;
            // Its next slice looks whether somebody sleeps.
            self.control.look_at(index);
        } else {
            function.count(Counter::LostEvents, 1);
        }
        pushed
    }

    /// Writes the function's counters to its control page.
    fn query_counters(&mut self, index: usize, entry: &Entry) -> Outcome {
        arguments::<0>(entry)?;
        let mut values = *self.functions[index].counters();
        values[Counter::EngineBusyCycles as usize] = self.busy_cycles;
        let control = self.functions[index]
            .control
            .as_ref()
            .ok_or(Status::WrongState)?;
        control
            .page
            .write(control::COUNTERS, &values)
            .ok_or(Status::OutOfReach)?;
        Ok(Ending::Done(counters::COUNT as u64))
    }

    /// The guest broke a ring of its own: nothing of the function is served any more. Nobody
    /// could take the physical function back: its host attaches it anew.
    fn stop(&mut self, index: usize) {
        if self.is_physical(index) {
            self.note_broken();
            return self.begin_anew(index);
        }
        self.note_stop(index);
        self.turn_away_from(index);
        self.functions[index].serving = Serving::Stopped;
    }
}

const _: () = assert!(WORDS == 8, "a head and seven arguments");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_get_their_share_of_the_time_and_no_more() {
        let mut budget = ControlBudget::new();
        budget.look_at(3);
        assert_eq!(budget.next(true), Some(3), "there is some credit");
        budget.spend(CREDIT_LIMIT.cast_unsigned());
        assert_eq!(
            budget.next(false),
            Some(3),
            "without data there is no budget"
        );
        assert_eq!(budget.next(true), None);
        let mut slices = 0;
        for _ in 0..96_000 {
            budget.earn(1000);
            if budget.next(true).is_some() {
                budget.spend(1000);
                slices += 1;
            }
        }
        assert!((900..=1000).contains(&slices), "{slices} slices in 96000");
    }

    #[test]
    fn words_that_are_not_arguments_must_be_zero() {
        let entry = Entry([0, 1, 2, 0, 0, 0, 0, 0]);
        assert_eq!(arguments::<2>(&entry), Ok([1, 2]));
        assert_eq!(arguments::<1>(&entry), Err(Status::InvalidArgument));
        assert_eq!(arguments::<0>(&Entry([7, 0, 0, 0, 0, 0, 0, 0])), Ok([]));
    }
}
