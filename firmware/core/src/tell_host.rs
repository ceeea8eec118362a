//! What happened to tenants: events for their host, and notes for the machine's log.
//!
//! An event waits until there is room for it: the host may take its time. Several of one kind are
//! one then, so there is nothing to keep but a bit for each function.

use unimux_abi::physical::StopReason;
use unimux_abi::response::Event;
use unimux_engine::Engine;

use crate::{Firmware, FunctionId, NOTE_INTERVAL_NS, Note, Platform};

impl<E: Engine> Firmware<E> {
    /// Has the log say something, if it has not just said something else.
    pub(crate) fn note(&mut self, note: Note, platform: &mut impl Platform) {
        let now_ns = platform.now_ns();
        if let (Some(physical), Some(host)) = (&mut self.physical, platform.host())
            && physical.noted_until_ns <= now_ns
        {
            physical.noted_until_ns = now_ns.saturating_add(NOTE_INTERVAL_NS);
            host.note(note);
        }
    }

    /// The host broke its own rings.
    pub(crate) fn note_broken(&mut self) {
        if let Some(physical) = &mut self.physical {
            physical.broken = true;
        }
    }

    /// A tenant's function was stopped: the host will be told.
    pub(crate) fn note_stop(&mut self, index: usize) {
        if let Some(physical) = &mut self.physical
            && physical.tenant_at(index).is_some()
        {
            physical.stopped |= 1 << index;
            self.control.look_at(physical.function);
        }
    }

    /// A function has what its guest sleeps for: if it is a tenant's, the host will be told. Whether
    /// it is one, and not a guest's with an interrupt of its own.
    pub(crate) fn note_sleeper(&mut self, index: usize) -> bool {
        let Some(physical) = &mut self.physical else {
            return false;
        };
        if physical.tenant_at(index).is_none() {
            return false;
        }
        physical.sleepers |= 1 << index;
        self.control.look_at(physical.function);
        true
    }

    /// Tells the host what happened to its tenants, as far as there is room. What is left is told
    /// when the host rings again, or more happens.
    pub(crate) fn tell_host(&mut self, platform: &mut impl Platform) {
        let Some(physical) = &mut self.physical else {
            return;
        };
        let index = physical.function;
        if core::mem::take(&mut physical.broken) {
            self.note(Note::Broken, platform);
        }
        let Some(physical) = &self.physical else {
            return;
        };
        let (mut stopped, sleepers) = (physical.stopped, physical.sleepers);
        while stopped != 0 && self.has_room_for_event(index) {
            let function = stopped.trailing_zeros();
            stopped &= stopped - 1;
            let cookie = self.tenant(function as usize).map_or(0, |its| its.cookie);
            let reason = StopReason::BrokenResponseRing as u64;
            let words = [u64::from(function), reason, cookie];
            self.post_event(index, 0, Event::TenantStopped, words);
            self.note(Note::Stopped(FunctionId(function as u16)), platform);
        }
        let told = sleepers != 0
            && self.has_room_for_event(index)
            && self.post_event(index, 0, Event::TenantCompletions, [sleepers, 0, 0]);
        if let Some(physical) = &mut self.physical {
            physical.stopped = stopped;
            physical.sleepers = if told { 0 } else { sleepers };
        }
    }

    fn has_room_for_event(&mut self, index: usize) -> bool {
        let control = self.functions[index].control.as_mut();
        // The last place is for the answer to a command.
        control.is_some_and(|control| control.responses.room(2).is_ok())
    }
}
