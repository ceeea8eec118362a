//! The RDMA function: from a doorbell to a completion.
//!
//! It turns verbs into plain copies for an engine that knows nothing of guests. It knows no
//! operating system, no exception level and no board: whoever owns a [`Firmware`] calls
//! [`round`](Firmware::round) for ever, on one core.
//!
//! # The walk of a request
//!
//! One file per step, in the order in which the steps happen:
//!
//! ```text
//!   doorbell.rs   the guest rang: which functions have work?
//!   schedule.rs   whose turn is it?
//!   turn.rs       which of its queue pairs, and what does that one need?
//!   fetch.rs      copy the next entry of a send queue, once
//!   admit.rs      is it allowed? keys, bounds, rights; names become ranges
//!   transfer.rs   ranges become spans, blocks go to the engine
//!   complete.rs   the engine is done: tell requester and responder
//!   notify.rs     somebody sleeps on that completion queue: raise an interrupt
//! ```
//!
//! Control verbs take the walk of [`command`](crate) instead; `take_back.rs` ends a function.
//!
//! # Trust
//!
//! A guest is believed about nothing. A record is copied once and decided on; indices are the
//! firmware's own; what was revoked is touched by no further block. What a guest does wrong ends in
//! an error completion, a command status or a stopped function, its own.
//!
//! # Time
//!
//! All memory is taken when functions are made; nothing allocates afterwards. A round does one
//! bounded piece of work: one entry, one block (or some, for a function that is alone), and at most
//! one slice of one command.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod admit;
mod command;
mod complete;
mod doorbell;
mod fetch;
mod flight;
mod frames;
mod host;
mod notify;
mod object;
mod physical;
mod rate;
mod schedule;
mod take_back;
mod tell_host;
mod transfer;
mod turn;

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use thiserror::Error;
use unimux_abi::counters::Counter;
use unimux_engine::Engine;

use command::ControlBudget;
use doorbell::Watch;
use flight::Flights;
pub use host::{Host, NOTE_INTERVAL_NS, Note};
use object::{Function, Keys, Request};
pub use object::{FunctionConfig, FunctionId, Quota, next_seed};
use physical::Physical;
pub use physical::PhysicalConfig;
use schedule::Schedule;

/// Functions that one firmware can serve: a bit for each in one word.
pub const MAX_FUNCTIONS: usize = schedule::MAX_FUNCTIONS;
/// Queue pairs that one function can have: its attention is a word with a bit for each.
pub const MAX_QPS: u16 = 64;

/// Of so many rounds one is timed, because looking at a cycle counter costs more than a look at an
/// idle function. A prime: what repeats every few rounds is sampled in all its phases.
const SAMPLED_ROUNDS: u64 = 17;

/// What the firmware asks of the machine that it runs on.
pub trait Platform {
    /// Time since some moment, in nanoseconds.
    fn now_ns(&self) -> u64;

    /// Cycles of this core since some moment; what they are worth is the machine's business.
    fn cycles(&self) -> u64;

    /// Interrupts the guest of `function`: what it armed a completion queue or its control page for
    /// has come.
    fn interrupt(&mut self, function: FunctionId);

    /// The host of virtual machines on this machine, if there is one. A machine without one has no
    /// physical function.
    fn host(&mut self) -> Option<&mut dyn Host> {
        None
    }
}

/// Whether a round found something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It did something; there may be more.
    Busy,
    /// It found nothing, but functions are still being looked at closely, or wait for time to
    /// pass.
    Attentive,
    /// Nothing to do until the engine has ended something, or some guest rings.
    Waiting,
    /// Nothing to do until some guest rings.
    Idle,
}

/// Why a function was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AddError {
    /// There are [`MAX_FUNCTIONS`] already.
    #[error("there are {MAX_FUNCTIONS} functions already")]
    TooMany,
    /// The quota has more than [`MAX_QPS`] queue pairs.
    #[error("a function has at most {MAX_QPS} queue pairs")]
    TooManyQps,
    /// The doorbell page is not one aligned page.
    #[error("the doorbell page is not an aligned page of 4 KiB")]
    Doorbell,
    /// The physical function's region is not as large as it should be, or not aligned.
    #[error(
        "the physical function's region is not {} aligned bytes",
        unimux_abi::physical::REGION_BYTES
    )]
    Region,
    /// The weight is zero.
    #[error("a function's weight is at least one")]
    Weight,
}

/// The firmware: functions, and the engine that they share.
#[derive(Debug)]
pub struct Firmware<E> {
    engine: E,
    functions: Vec<Function>,
    /// The request of each queue pair of each function. They stand beside the functions, so that
    /// a request can be worked on in its place while other functions are looked at.
    requests: Vec<Box<[Request]>>,
    flights: Flights,
    watch: Watch,
    schedule: Schedule,
    control: ControlBudget,
    keys: Keys,
    /// Functions that are being taken back.
    leaving: usize,
    /// How often something was revoked that a request may have found: a region, a function. Where
    /// a request's bytes are is good as long as this stays the same.
    revocations: u64,
    physical: Option<Physical>,
    /// Functions that have limits; a bit for each.
    limited: u64,
    /// Functions with work that the engine had no room for; a bit for each.
    starved: u64,
    busy_cycles: u64,
}

impl<E: Engine> Firmware<E> {
    /// Firmware without functions. `seed` is what all keys grow from: 32 bytes that nobody else
    /// knows, other ones at every boot.
    #[must_use]
    pub fn new(engine: E, seed: [u8; 32]) -> Self {
        Self {
            flights: Flights::new(engine.depth()),
            engine,
            functions: Vec::with_capacity(MAX_FUNCTIONS),
            requests: Vec::with_capacity(MAX_FUNCTIONS),
            watch: Watch::default(),
            schedule: Schedule::new(),
            control: ControlBudget::new(),
            keys: Keys::new(seed),
            leaving: 0,
            revocations: 0,
            physical: None,
            limited: 0,
            starved: 0,
            busy_cycles: 0,
        }
    }

    /// Makes a function and gives it to its guest. Memory is taken here, and only here.
    ///
    /// # Errors
    ///
    /// [`AddError`] says what is wrong with `config`; nothing changed then.
    pub fn add_function(&mut self, config: FunctionConfig) -> Result<FunctionId, AddError> {
        if config.quota.qps > MAX_QPS {
            return Err(AddError::TooManyQps);
        }
        let page = unimux_abi::doorbell::PAGE_BYTES;
        if config.doorbell.len_bytes() != page || !config.doorbell.pa().is_aligned(page) {
            return Err(AddError::Doorbell);
        }
        if config.weight == 0 {
            return Err(AddError::Weight);
        }
        if self.functions.len() == MAX_FUNCTIONS {
            return Err(AddError::TooMany);
        }
        let index = self.functions.len();
        self.schedule.set_weight(index, config.weight);
        let keys = self.keys.split();
        let places = usize::from(config.quota.qps);
        self.requests
            .push(vec![Request::none(); places].into_boxed_slice());
        self.functions.push(Function::new(config, keys));
        self.listen_to(index);
        Ok(FunctionId(index as u16))
    }

    /// One turn: looks at one idle function, does one piece of work for the function whose turn
    /// it is, reaps what the engine finished, and does one slice of a command if there is time.
    pub fn round(&mut self, platform: &mut impl Platform) -> Progress {
        self.round_with(platform, Self::control_slice)
    }

    /// As [`round`](Self::round), with [`control_slice`](Self::control_slice) from the caller. The
    /// crate that names it compiles it, and may do so for size where requests want speed.
    pub fn round_with<P: Platform>(
        &mut self,
        platform: &mut P,
        control_slice: fn(&mut Self, bool, &mut P) -> bool,
    ) -> Progress {
        let sampled = self.watch.round().is_multiple_of(SAMPLED_ROUNDS);
        let before = if sampled { platform.cycles() } else { 0 };
        self.look_at_an_idle_function();
        self.look_at_a_waiting_function(platform);
        let mut worked = false;
        if let Some(function) = self.schedule.next() {
            worked = if self.limited & 1 << function == 0 {
                self.turn(function, platform)
            } else {
                self.limited_turn(function, platform)
            };
            if !self.flights.is_empty() {
                worked |= self.reap(platform);
            }
            if worked && sampled {
                self.charge_cycles(function, platform.cycles().wrapping_sub(before));
            }
        } else if !self.flights.is_empty() {
            worked = self.reap(platform);
        }
        // A core that can only wait for the engine has time for commands.
        let waits_for_engine = !worked && !self.flights.is_empty();
        let data_waits = !self.schedule.is_empty() && !waits_for_engine;
        self.look_for_commands(data_waits);
        let is_wanted = self.leaving > 0 || self.control.has_work();
        let commanded = is_wanted && control_slice(self, data_waits, platform);
        self.watch.next_round();
        if worked || commanded {
            Progress::Busy
        } else if !self.is_quiet() {
            Progress::Attentive
        } else if E::HAS_JOBS && !self.flights.is_empty() {
            Progress::Waiting
        } else {
            Progress::Idle
        }
    }

    /// The part of a round that no request waits for: functions are taken back, and one slice of
    /// one command is carried out, if there is time beside the data that waits. Whether there was
    /// a command.
    #[inline(never)]
    pub fn control_slice(&mut self, data_waits: bool, platform: &mut impl Platform) -> bool {
        if self.leaving > 0 {
            self.finish_taking_back(platform);
        }
        self.command_slice(data_waits, platform)
    }

    /// The engine.
    pub const fn engine(&self) -> &E {
        &self.engine
    }

    /// The engine, to change how it takes what comes next. What it has in flight stays.
    pub const fn engine_mut(&mut self) -> &mut E {
        &mut self.engine
    }

    /// Objects and page entries that the function's guest has made; zero when it is free.
    ///
    /// # Panics
    ///
    /// If `id` is not of this firmware.
    #[must_use]
    pub fn in_use(&self, id: FunctionId) -> usize {
        self.functions[usize::from(id.0)].in_use()
    }

    /// One counter of a function.
    ///
    /// # Panics
    ///
    /// If `id` is not of this firmware.
    #[must_use]
    pub fn counter(&self, id: FunctionId, counter: Counter) -> u64 {
        match counter {
            Counter::EngineBusyCycles => self.busy_cycles,
            _ => self.functions[usize::from(id.0)].counters()[counter as usize],
        }
    }

    /// Whether a guest has a queue pair that is served. Without one a ring means nothing, and what
    /// can come is commands alone.
    #[must_use]
    pub fn has_queues(&self) -> bool {
        self.functions.iter().any(|it| it.attention.served != 0)
    }

    /// Whether nothing is runnable, or waiting for time to pass. The engine may have something.
    fn is_quiet(&self) -> bool {
        self.schedule.is_empty()
            && !self.watch.is_expectant()
            && !self.control.has_work()
            && self.leaving == 0
    }

    /// Counts the cycles of a sampled round, for all the rounds that it stands for.
    fn charge_cycles(&mut self, function: usize, cycles: u64) {
        let cycles = cycles.saturating_mul(SAMPLED_ROUNDS);
        self.busy_cycles = self.busy_cycles.wrapping_add(cycles);
        self.functions[function].count(Counter::BusyCycles, cycles);
        self.control.earn(cycles);
    }
}
