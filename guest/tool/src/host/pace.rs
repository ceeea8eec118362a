//! How often the agent looks for events: often only while somebody sleeps.
//!
//! A stock kernel gives the agent no interrupt of the physical function, so looking is all it can do.

use std::time::{Duration, Instant};

use unimux_linux::ASKED_NS;

/// While no tenant sleeps: between two looks for new QEMU processes, too.
pub(super) const SLOW: Duration = Duration::from_millis(500);
/// While a tenant sleeps.
const FAST: Duration = Duration::from_millis(1);
/// After a tenant was woken: what it does may soon wake another one, or itself again.
const AT_ONCE: Duration = Duration::from_micros(100);
/// For so long.
const WAKEFUL: Duration = Duration::from_millis(5);

/// When tenants asked to be looked after, and when one was woken.
#[derive(Debug, Default)]
pub(super) struct Pace {
    asked: Option<Instant>,
    woke: Option<Instant>,
}

impl Pace {
    /// A tenant sleeps.
    pub(super) const fn asked(&mut self, now: Instant) {
        self.asked = Some(now);
    }

    /// A tenant was woken.
    pub(super) const fn woke(&mut self, now: Instant) {
        self.woke = Some(now);
    }

    /// How long to wait before the next look.
    pub(super) fn interval(&self, now: Instant) -> Duration {
        let within = |moment: Option<Instant>, time| {
            moment.is_some_and(|it| now.saturating_duration_since(it) < time)
        };
        if within(self.woke, WAKEFUL) {
            AT_ONCE
        } else if within(self.asked, Duration::from_nanos(ASKED_NS)) {
            FAST
        } else {
            SLOW
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_sleeps_makes_the_agent_look_often_for_a_while() {
        let began = Instant::now();
        let after = |seconds| began + Duration::from_secs_f64(seconds);
        let mut pace = Pace::default();
        assert_eq!(pace.interval(began), SLOW);
        pace.asked(after(1.0));
        assert_eq!(pace.interval(after(1.0)), FAST);
        assert_eq!(pace.interval(after(4.9)), FAST);
        pace.woke(after(4.9));
        assert_eq!(pace.interval(after(4.904)), AT_ONCE);
        assert_eq!(pace.interval(after(4.906)), FAST);
        assert_eq!(pace.interval(after(5.1)), SLOW);
    }
}
