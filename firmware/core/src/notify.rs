//! Step 8: somebody sleeps on that completion queue, or until events come: raise an interrupt.
//!
//! Only a queue whose guest said that it may sleep is looked at here, so polling costs no
//! barrier. One arm word is answered once: a guest cannot have two interrupts for one arming.

use core::sync::atomic::{AtomicU64, Ordering};

use unimux_abi::completion::{Arm, ArmKind, RECORD_ARM};
use unimux_abi::control::EVENT_ARM;
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
        let Some(arm) = armed(word, cq.answered_arm, cq.ring.filled()) else {
            return;
        };
        if is_solicited || arm.kind() != ArmKind::Solicited as u8 {
            cq.answered_arm = arm.into_bits();
            self.interrupt(index, platform);
        }
    }

    /// Raises an interrupt if events came, and the guest armed its control page for them.
    pub(crate) fn notify_events(&mut self, index: usize, platform: &mut impl Platform) {
        let Some(control) = &mut self.functions[index].control else {
            return;
        };
        if !core::mem::take(&mut control.has_events) {
            return;
        }
        let Some(word) = control.page.word(EVENT_ARM) else {
            return;
        };
        let filled = control.responses.filled();
        if let Some(arm) = armed(word, control.answered_arm, filled) {
            control.answered_arm = arm.into_bits();
            self.interrupt(index, platform);
        }
    }

    /// Interrupts a guest, or has the host of a tenant do so.
    fn interrupt(&mut self, index: usize, platform: &mut impl Platform) {
        self.functions[index].count(Counter::Interrupts, 1);
        if !self.note_sleeper(index) {
            platform.interrupt(FunctionId(index as u16));
        }
    }
}

/// What the guest armed its ring for, if it did, after what was just put there became visible.
///
/// It counts if it was not answered yet, and if the guest did not have all `filled` records when it
/// armed: it may have taken the last one already, and armed for the next.
fn armed(word: &AtomicU64, answered: u64, filled: u32) -> Option<Arm> {
    // The record must be visible before the arm word is read, or a guest that arms and then finds
    // no record sleeps for ever (its side of this is in the driver).
    store_then_load();
    let bits = word.load(Ordering::Relaxed);
    let arm = Arm::from_bits(bits);
    let is_new = bits != answered && arm.count() != filled;
    (is_new && ArmKind::from_bits(arm.kind()) != ArmKind::No).then_some(arm)
}
