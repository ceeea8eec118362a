//! The keeper: ends a guest's life and begins the next, step by step.
//!
//! Order: all vCPUs have left (stop), the doorbell page is unmapped (unmap), the engine core takes the
//! function back (drain, invalidate, free); then memory is loaded anew, the doorbell mapped again, the
//! function given out, and the guest lives. See `guest/lifecycle.rs`. Whoever brings a step about sends
//! the keeper's core an interrupt.

use unimux_el2::stage2::LoadedGuest;
use unimux_memory::Ipa;
use unimux_paravirt::map;
use unimux_scenario::OnFault;
use unimux_stage2::Withheld;

use crate::{
    guest::{
        Guest,
        lifecycle::{End, FunctionState},
        load::Loading,
    },
    invariant::holds,
};

/// What the keeper is at.
pub(super) enum Task {
    /// All vCPUs are to leave.
    Stop,
    /// The engine core is to take the function back.
    TakeBack(Option<Withheld>),
    /// Memory is being filled. In the first life nothing was withheld.
    Load(Loading, Option<Withheld>),
    /// The engine core is to give the function out.
    Give,
}

/// What comes after a step.
pub(super) enum Next {
    /// Another step.
    More,
    /// Another step, when it is ready.
    Wait,
    /// The guest lives.
    Live,
    /// There is no next life.
    End,
}

impl Task {
    /// Before the first life.
    pub(super) fn first() -> Self {
        Self::Load(Loading::begin(), None)
    }

    /// The guest is stopping, and its vCPU 0 has left.
    pub(super) fn after_a_life() -> Self {
        Self::Stop
    }

    /// Whether [`Self::step`] has something to do.
    pub(super) fn is_ready(&self, guest: &Guest) -> bool {
        let lifecycle = &guest.lifecycle;
        match self {
            Self::Stop => lifecycle.parked() == guest.vcpus.len(),
            Self::TakeBack(_) => lifecycle.function() == FunctionState::Free,
            Self::Load(..) => true,
            Self::Give => lifecycle.function() == FunctionState::Attached,
        }
    }

    /// One step, on a core on which the guest's stage 2 is loaded: TLB maintenance needs its VMID.
    pub(super) fn step(&mut self, guest: &Guest) -> Next {
        if !self.is_ready(guest) {
            return Next::Wait;
        }
        let lifecycle = &guest.lifecycle;
        match self {
            Self::Stop => {
                guest.vcpus.iter().for_each(|vcpu| vcpu.set_off());
                guest.console.lock().reset();
                let doorbell = Ipa::new(map::DOORBELL_BASE);
                let withheld = guest.tables.lock().withhold(&mut LoadedGuest, doorbell);
                let withheld = holds(withheld, "it is mapped while a guest lives");
                lifecycle.ask_function(FunctionState::TakeBack);
                *self = Self::TakeBack(Some(withheld));
            }
            Self::TakeBack(withheld) => {
                let end = lifecycle.reason();
                if !lives_on(guest, end) {
                    lifecycle.finish(!matches!(end, End::Off | End::Exited(0)));
                    return Next::End;
                }
                guest.gic.lock().reset();
                guest.pci.lock().reset();
                *self = Self::Load(Loading::begin(), withheld.take());
            }
            Self::Load(loading, withheld) => {
                if !guest.program.load_some(loading) {
                    return Next::More;
                }
                guest.counters.clear();
                let entry = map::RAM_BASE + map::IMAGE_OFFSET;
                let started = guest.vcpus[0].start(entry, map::RAM_BASE);
                holds(started, "the vCPU is off between lives");
                let Some(withheld) = withheld.take() else {
                    return Next::Live;
                };
                guest.tables.lock().restore(&mut LoadedGuest, withheld);
                lifecycle.ask_function(FunctionState::Give);
                *self = Self::Give;
            }
            Self::Give => {
                lifecycle.revive();
                guest.kick_others(0);
                return Next::Live;
            }
        }
        Next::More
    }
}

/// Whether there is a next life, and says so in the log.
fn lives_on(guest: &Guest, end: End) -> bool {
    match (end, guest.on_fault) {
        (End::Off, _) => defmt::info!("{=str}: off", guest.name),
        (End::Exited(code), _) => defmt::info!("{=str}: exit code {=u64}", guest.name, code),
        (End::Reset, _) => {
            // A guest may reset itself for ever, at its own cost; the log hears of it seldom.
            let lives = guest.lifecycle.life() + 1;
            if lives.is_power_of_two() {
                defmt::info!("{=str}: reset, {=u32} so far", guest.name, lives);
            }
            return true;
        }
        (End::Fault, OnFault::Stop) => {}
        (End::Fault, OnFault::Restart { times_max }) => {
            let before = guest.lifecycle.count_fault();
            if before < times_max {
                defmt::info!(
                    "{=str}: restarted, {=u32} of {=u32} times",
                    guest.name,
                    before + 1,
                    times_max
                );
                return true;
            }
            defmt::error!("{=str}: not restarted again", guest.name);
        }
    }
    false
}
