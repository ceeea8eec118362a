//! Step 8: somebody sleeps on that completion queue: raise an interrupt.
//!
//! Only a queue whose guest said that it may sleep is looked at here, so polling costs no
//! barrier. One arm word is answered once: a guest cannot have two interrupts for one arming.

use core::sync::atomic::Ordering;

use unimux_abi::completion::{Arm, ArmKind, RECORD_ARM};
use unimux_abi::counters::Counter;
use unimux_engine::Engine;
use unimux_ring::store_then_load;

use crate::{Firmware, FunctionId, Platform};

impl<E: Engine> Firmware<E> {
    /// Raises an interrupt if the guest armed the queue for such a completion.
    pub(crate) fn notify(
        &mut self,
        index: usize,
        handle: u16,
        is_solicited: bool,
        platform: &mut impl Platform,
    ) {
        let function = &mut self.functions[index];
        let Some(cq) = function.cqs.get_mut(handle) else {
            return;
        };
        let Some(word) = cq.record.and_then(|record| record.word(RECORD_ARM)) else {
            return;
        };
        // The completion must be visible before the arm word is read, or a guest that arms and
        // then finds no completion sleeps for ever (its side of this is in the driver).
        store_then_load();
        let arm = word.load(Ordering::Relaxed);
        let wanted = match ArmKind::from_bits(Arm::from_bits(arm).kind()) {
            ArmKind::No => false,
            ArmKind::Next => true,
            ArmKind::Solicited => is_solicited,
        };
        if wanted && arm != cq.answered_arm {
            cq.answered_arm = arm;
            function.count(Counter::Interrupts, 1);
            if !self.note_completion(index) {
                platform.interrupt(FunctionId(index as u16));
            }
        }
    }
}
