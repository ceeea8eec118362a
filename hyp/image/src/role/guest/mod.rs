//! A guests' core: runs one vCPU for ever, or several by turns.
//!
//! Each vCPU that is pinned to the core has a [`Seat`]. A seat does one bounded step at a time, so that
//! none keeps the others; which is next says `unimux-schedule`. A vCPU that owns its core has the only
//! seat: then there is no EL2 timer, WFI and WFE do not exit, and nothing is ever switched.
//!
//! Seats that wait do so for an interrupt: whoever brings about what one waits for (an interrupt of its
//! guest, a start or a stop, a step of its function) sends one to the core afterwards, and all seats
//! that wait are looked at.

mod keeper;
mod seat;

use alloc::vec::Vec;

use unimux_board::Board;
use unimux_el2::{
    interrupts::{Controller, Interrupt},
    stage2, time, vcpu,
};
use unimux_paravirt::ExitReason;
use unimux_schedule::Schedule;
use unimux_vgic::Intid;

use self::seat::{Progress, Seat};
use crate::{
    board::{GIC, ThisBoard},
    guest::Guest,
    input,
};

/// How long a vCPU runs while another of its core wants to. As long as the tick of a kernel with
/// 250 Hz, Debian's: who is alone with one other misses one tick at most. See hyp/README.md for what
/// it costs.
const SLICE_MS: u64 = 4;

/// What a core needs to run guests.
pub(crate) struct Core {
    seats: Vec<Seat>,
    schedule: Schedule,
    /// Whose registers, stage 2 and timer are in the core.
    loaded: Option<usize>,
}

impl Core {
    /// For these vCPUs, each with its guest and its weight.
    pub(crate) fn new(vcpus: &[(&'static Guest, usize, u32)]) -> Self {
        let weights = vcpus.iter().map(|(_, _, weight)| *weight);
        Self {
            schedule: Schedule::new(weights, time::ticks_in_ms(SLICE_MS)),
            seats: vcpus
                .iter()
                .map(|(guest, vcpu, _)| Seat::new(guest, *vcpu))
                .collect(),
            loaded: None,
        }
    }

    /// Runs them for ever. The core's own interrupts are up.
    pub(crate) fn run(&mut self) -> ! {
        self.seats.iter().for_each(Seat::begin);
        loop {
            self.take_interrupts(None);
            self.wake();
            match self.schedule.turn(time::ticks()) {
                Some(seat) => {
                    self.load(seat);
                    self.go_on(seat);
                }
                None => self.sleep(),
            }
        }
    }

    fn is_shared(&self) -> bool {
        self.seats.len() > 1
    }

    /// Lets a seat go on until another may have to.
    fn go_on(&mut self, seat: usize) {
        if self.is_shared() {
            vcpu::trap_waits(true, self.schedule.others_want(seat));
            let turn_end = self.schedule.turn_end();
            time::set_alarm(self.alarms().chain(turn_end).min());
        }
        loop {
            match self.seats[seat].advance() {
                Progress::Interrupted => {
                    self.take_interrupts(Some(seat));
                    if self.is_shared() {
                        return;
                    }
                }
                Progress::Going => return,
                Progress::Waiting => return self.schedule.block(seat, time::ticks()),
                Progress::GivesWay => return self.schedule.give_way(time::ticks()),
            }
        }
    }

    /// Makes the core that of a seat.
    fn load(&mut self, seat: usize) {
        if self.loaded == Some(seat) {
            return;
        }
        if let Some(before) = self.loaded.replace(seat) {
            self.seats[before].unload();
        }
        if self.seats[seat].load() {
            stage2::forget_on_this_core();
        }
        let guest = self.seats[seat].guest;
        let others = self.seats.iter_mut().enumerate();
        for (_, other) in others.filter(|(index, it)| *index != seat && it.shares(guest)) {
            other.has_stale_translations = true;
        }
    }

    /// Has all seats that waited, and need not any more, want to run.
    fn wake(&mut self) {
        let now = time::ticks();
        for (index, seat) in self.seats.iter_mut().enumerate() {
            if !self.schedule.is_runnable(index) && seat.is_ready(now) {
                self.schedule.wake(index, now);
            }
        }
    }

    /// Nobody wants to run: waits for an interrupt. One that came since is pending, and WFI does not
    /// wait then.
    fn sleep(&self) {
        if self.is_shared() {
            time::set_alarm(self.alarms().min());
        }
        time::wait_for_interrupt();
    }

    /// When the timers of vCPUs that wait and are not loaded fire.
    fn alarms(&self) -> impl Iterator<Item = u64> {
        let waiting = self.seats.iter().enumerate();
        let waiting = waiting.filter(|(index, _)| !self.schedule.is_runnable(*index));
        waiting.filter_map(|(_, seat)| seat.alarm)
    }

    /// A timer of the vCPU that is loaded has fired.
    fn forward(&mut self, timer: Intid) {
        match self.loaded {
            Some(seat) => self.seats[seat].interrupts.forward(timer),
            None => GIC.deactivate(timer.get()),
        }
    }

    /// Takes all physical interrupts that are pending on this core. `interrupted` is the seat whose
    /// vCPU ran.
    fn take_interrupts(&mut self, interrupted: Option<usize>) {
        if let Some(loaded) = self.loaded {
            let seat = &mut self.seats[loaded];
            seat.interrupts.retire();
            // A prompt is no whole line, and whoever printed it may wait for an answer now.
            seat.guest.console.lock().flush();
        }
        while let Some(interrupt) = GIC.take() {
            if let Some(seat) = interrupted {
                self.seats[seat].count(reason(interrupt));
            }
            match interrupt {
                Interrupt::Engine => {
                    for seat in &mut self.seats {
                        seat.interrupts.take_completion();
                    }
                }
                Interrupt::VirtualTimer => self.forward(Intid::VIRTUAL_TIMER),
                Interrupt::PhysicalTimer => self.forward(Intid::PHYSICAL_TIMER),
                Interrupt::Alarm => time::set_alarm(None),
                // What a peer did is in the model already; the refill finds it. So does it after a
                // maintenance interrupt.
                Interrupt::Peer | Interrupt::Maintenance => {}
                Interrupt::Other(ThisBoard::INPUT_INTID) => input::take(),
                Interrupt::Other(_) => {}
            }
        }
    }
}

fn reason(interrupt: Interrupt) -> ExitReason {
    match interrupt {
        Interrupt::Engine => ExitReason::Engine,
        Interrupt::Peer => ExitReason::Peer,
        Interrupt::Maintenance => ExitReason::Maintenance,
        Interrupt::VirtualTimer | Interrupt::PhysicalTimer => ExitReason::Timer,
        Interrupt::Alarm => ExitReason::Turn,
        Interrupt::Other(_) => ExitReason::Interrupt,
    }
}
