//! Tenants that sleep: the agent hears them, and wakes them when the firmware says so.

use std::time::{Duration, Instant};

use super::lifecycle::{Held, Lifecycle};
use super::pace::{Pace, SLOW};
use super::wake_line::WakeLine;

/// All functions.
const ALL: u64 = u64::MAX;

/// When they asked and were woken.
#[derive(Debug, Default)]
pub(super) struct Sleepers {
    pace: Pace,
    /// Events that the agent had lost when it looked last.
    lost_events: u64,
}

impl Sleepers {
    /// How long to wait before the next look at the firmware's events.
    pub(super) fn interval(&self) -> Duration {
        self.pace.interval(Instant::now())
    }

    /// Whether nobody has asked for a while: who asks now should be heard at once.
    pub(super) fn is_slow(&self) -> bool {
        self.interval() == SLOW
    }

    /// Connects to machines that have begun to run. They are woken once: whatever came for them
    /// before, the agent that was told is gone.
    pub(super) fn connect(&mut self, lifecycle: &mut Lifecycle) {
        for held in lifecycle.held.values_mut() {
            if held.qemu.is_none() {
                held.wake = None;
            } else if held.wake.is_none() {
                held.wake = WakeLine::connect(&held.paths.wake);
                if held.wake.is_some() {
                    self.pace.asked(Instant::now());
                    wake(held);
                }
            }
        }
    }

    /// Hears who asks.
    pub(super) fn hear(&mut self, lifecycle: &mut Lifecycle) {
        for held in lifecycle.held.values_mut() {
            match held.wake.as_ref().map(WakeLine::is_asked) {
                None | Some(Ok(false)) => {}
                Some(Ok(true)) => self.pace.asked(Instant::now()),
                Some(Err(_)) => held.wake = None,
            }
        }
    }

    /// Wakes the machines that have `functions`, a bit for each.
    pub(super) fn wake(&mut self, lifecycle: &mut Lifecycle, functions: u64) {
        let lost_events = lifecycle.lost_events();
        // Events come while a command is waited for, too, and then there may be no room for all.
        // Whose was lost, nobody knows.
        let functions = if lost_events == self.lost_events {
            functions
        } else {
            ALL
        };
        self.lost_events = lost_events;
        if functions == 0 {
            return;
        }
        self.pace.woke(Instant::now());
        for held in lifecycle.held.values_mut() {
            let bit = held.vm.function.and_then(|it| 1_u64.checked_shl(it.into()));
            if bit.is_some_and(|bit| functions & bit != 0) {
                wake(held);
            }
        }
    }
}

fn wake(held: &mut Held) {
    if held.wake.as_ref().is_some_and(|line| line.wake().is_err()) {
        held.wake = None;
    }
}
