//! Attaching anew: the guest's program, or the host's agent, is another one now.
//!
//! It attaches nothing itself. What the last one left is taken back first, as if the function
//! went to another guest; the next one's page is answered when nothing is in flight any more. So
//! who has its page answered knows that nothing of its predecessor is written any more.

use core::sync::atomic::Ordering;

use unimux_abi::{control, doorbell};
use unimux_engine::Engine;

use crate::object::Serving;
use crate::{Firmware, FunctionId};

impl<E: Engine> Firmware<E> {
    /// Begins to take an attached function back if its guest wants to attach anew: the control
    /// word has changed, or the control page was cleared. Whether it does.
    pub(super) fn makes_way(&mut self, index: usize) -> bool {
        let function = &self.functions[index];
        let Some(control) = &function.control else {
            return false;
        };
        let word = function.doorbell.word(doorbell::CONTROL);
        let moved = word.is_some_and(|word| word.load(Ordering::Relaxed) != function.attached_by);
        let answer = control.page.word(control::ANSWER);
        let cleared = answer.is_some_and(|answer| answer.load(Ordering::Relaxed) == 0);
        if moved || cleared {
            self.begin_anew(index);
        }
        moved || cleared
    }

    /// Takes a function back for the guest that has it.
    pub(super) fn begin_anew(&mut self, index: usize) {
        if self.is_physical(index) {
            // It has nothing that could be in flight, and its host may be in a hurry.
            self.turn_away_from(index);
            self.functions[index].forget();
            self.functions[index].serving = Serving::Free;
            self.functions[index].comes_back = true;
            self.come_back(index);
        } else {
            self.begin_take_back(FunctionId(index as u16));
            self.functions[index].comes_back = true;
        }
    }

    /// Gives a function that was taken back for its own guest to it again.
    pub(crate) fn come_back(&mut self, index: usize) {
        if core::mem::take(&mut self.functions[index].comes_back) {
            debug_assert_eq!(self.functions[index].serving, Serving::Free);
            self.give(FunctionId(index as u16));
            // The ring for it was heard already.
            self.control.look_at(index);
        }
    }
}
