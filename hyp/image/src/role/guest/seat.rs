//! A vCPU's seat on its core: what it is at, one bounded step at a time.
//!
//! ```text
//!            take a start                     the guest stops
//!   Off ─────────────────────▶ On ─────────────────────────────────▶ Left ──┐
//!    ▲ ▲                       │                                     ▲      │ the next life
//!    │ └───────────────────────┘ CPU_OFF          the guest stops    │      │
//!    │ └──────────────────────────────────────────────────────────────┘      │
//!    └──────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! The seat of vCPU 0 is the guest's keeper: instead of `Left` it is `Keeping`.

use unimux_el2::vcpu::Vcpu;
use unimux_paravirt::ExitReason;
use unimux_trap::Exit;

use super::keeper::{Next, Task};
use crate::{
    exit::{self, Outcome},
    guest::{self, Guest, lifecycle::End},
    input,
    interrupts::VcpuInterrupts,
};

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// There is more to do.
    Going,
    /// As above; a physical interrupt is pending.
    Interrupted,
    /// There is more to do, but others first: it would only wait for them.
    GivesWay,
    /// There is nothing to do until an interrupt comes.
    Waiting,
}

/// A seat.
pub(super) struct Seat {
    pub(super) guest: &'static Guest,
    vcpu: usize,
    state: State,
    registers: Vcpu,
    pub(super) interrupts: VcpuInterrupts,
    /// When the next of its timers fires, if the vCPU is on, and not loaded.
    pub(super) alarm: Option<u64>,
    /// Another vCPU of its guest has run on this core since.
    pub(super) has_stale_translations: bool,
}

/// What a vCPU is at.
enum State {
    /// Its power is off.
    Off,
    /// It is on: it runs, or waits in a WFI.
    On,
    /// It has left for this life.
    Left { life: u32 },
    /// It has left for this life, or never begun, and is about the next.
    Keeping(Task),
    /// There is no next life.
    Ended,
}

impl Seat {
    /// Of vCPU `vcpu` of `guest`, before its first life.
    pub(super) fn new(guest: &'static Guest, vcpu: usize) -> Self {
        Self {
            guest,
            vcpu,
            state: match vcpu {
                0 => State::Keeping(Task::first()),
                _ => State::Off,
            },
            registers: Vcpu::default(),
            interrupts: VcpuInterrupts::new(guest, vcpu),
            alarm: None,
            has_stale_translations: false,
        }
    }

    /// On its core, when that is up.
    pub(super) fn begin(&self) {
        if self.vcpu == 0 && self.shares(&guest::all()[0]) {
            input::begin(self.guest);
        }
    }

    /// Whether it is of this guest.
    pub(super) fn shares(&self, guest: &Guest) -> bool {
        core::ptr::eq(self.guest, guest)
    }

    /// Counts an exit of its vCPU.
    pub(super) fn count(&self, reason: ExitReason) {
        self.guest.counters.count(self.vcpu, reason);
    }

    /// Whether a seat that waited need not wait any more.
    pub(super) fn is_ready(&mut self, now: u64) -> bool {
        let lifecycle = &self.guest.lifecycle;
        match &self.state {
            State::Off => lifecycle.is_stopping() || self.guest.vcpus[self.vcpu].is_started(),
            State::On => {
                if self.alarm.is_some_and(|at| at <= now) {
                    let timers = self.registers.context().timers();
                    self.interrupts.fire(timers, now);
                    self.set_alarm();
                }
                let is_stopping = self.guest.lifecycle.is_stopping();
                is_stopping || self.interrupts.are_due()
            }
            State::Left { life } => lifecycle.life() != *life,
            State::Keeping(task) => task.is_ready(self.guest),
            State::Ended => false,
        }
    }

    /// Makes the core its own. True if what the core has translated is not to be used.
    pub(super) fn load(&mut self) -> bool {
        self.guest.stage2.select();
        if matches!(self.state, State::On) {
            self.registers
                .load(self.vcpu as u64, &self.guest.stage2, self.guest.measures);
            self.interrupts.switch_in();
        }
        self.alarm = None;
        core::mem::take(&mut self.has_stale_translations)
    }

    /// Takes what is its own from the core, as another seat comes.
    pub(super) fn unload(&mut self) {
        self.clear_core();
        if matches!(self.state, State::On) {
            self.set_alarm();
        }
    }

    /// Takes what is its own from the core. Nothing stands in for its timers: those of a vCPU that goes off
    /// do not matter any more, and would fire without end.
    fn clear_core(&mut self) {
        if matches!(self.state, State::On) {
            self.registers.save();
            self.interrupts.switch_out();
        }
    }

    /// From now on EL2's timer stands in for those of the vCPU. One that has fired since interrupts were
    /// last taken is for the next look at the seat, and makes EL2's fire at once.
    fn set_alarm(&mut self) {
        let timers = self.registers.context().timers();
        self.alarm = self.interrupts.next_timer(timers);
    }

    /// One step. The seat is loaded, and does not wait.
    pub(super) fn advance(&mut self) -> Progress {
        let lifecycle = &self.guest.lifecycle;
        match &mut self.state {
            State::Off | State::On if lifecycle.is_stopping() => self.leave(),
            State::Off => {
                let Some((entry, x0)) = self.guest.vcpus[self.vcpu].take_start() else {
                    return Progress::Waiting;
                };
                self.state = State::On;
                self.registers.reset(entry, x0);
                self.registers
                    .load(self.vcpu as u64, &self.guest.stage2, self.guest.measures);
                self.guest.stage2.forget();
                self.interrupts.reset();
            }
            State::On => return self.run(),
            State::Left { life } if lifecycle.life() != *life => self.state = State::Off,
            State::Keeping(task) => match task.step(self.guest) {
                Next::More => {}
                Next::Wait => return Progress::Waiting,
                Next::Live => self.state = State::Off,
                Next::End => self.state = State::Ended,
            },
            State::Left { .. } | State::Ended => return Progress::Waiting,
        }
        Progress::Going
    }

    /// Leaves for this life.
    fn leave(&mut self) {
        self.clear_core();
        let life = self.guest.lifecycle.life();
        self.guest.lifecycle.park();
        if self.vcpu == 0 {
            self.state = State::Keeping(Task::after_a_life());
        } else {
            self.state = State::Left { life };
            self.guest.kick(0);
        }
    }

    /// Runs the vCPU until it may not go on.
    fn run(&mut self) -> Progress {
        let Self { guest, vcpu, .. } = *self;
        while !guest.lifecycle.is_stopping() {
            self.interrupts.before_entry();
            let exit = self.registers.run();
            if matches!(exit, Exit::Irq | Exit::Fiq) {
                return Progress::Interrupted;
            }
            let x = &self.registers.frame().x;
            let (reason, outcome) = exit::handle(guest, vcpu, &mut self.interrupts, &exit, x);
            self.count(reason);
            outcome.apply(&mut self.registers, exit.must_skip());
            match outcome {
                Outcome::VcpuOff => {
                    self.clear_core();
                    self.state = State::Off;
                    break;
                }
                Outcome::Wait { event: true } => return Progress::GivesWay,
                Outcome::Wait { event: false } | Outcome::Standby => {
                    self.interrupts.retire();
                    if !self.interrupts.are_due() {
                        return Progress::Waiting;
                    }
                }
                Outcome::End(end) => {
                    self.stop(end);
                }
                // The one report: of vCPUs that fault together, the first makes it.
                Outcome::Fault if self.stop(End::Fault) => {
                    let frame = self.registers.frame();
                    defmt::error!(
                        "{=str}: stopped: {}; vCPU {=usize}, PC {=u64:#x}, syndrome {=u64:#x}",
                        guest.name,
                        exit,
                        vcpu,
                        frame.elr,
                        frame.esr
                    );
                }
                _ => {}
            }
        }
        Progress::Going
    }

    /// Has all vCPUs leave. True if nobody had before.
    fn stop(&self, end: End) -> bool {
        let first = self.guest.lifecycle.end(end);
        if first {
            self.guest.kick_others(self.vcpu);
        }
        first
    }
}
