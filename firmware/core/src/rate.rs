//! Rate limits: who went too fast rests until its time has come.
//!
//! It schedules nobody. A function without a limit costs one test of a bit in a turn.
//!
//! The algorithm is the generic cell rate algorithm (ITU-T I.371, annex A), as a virtual clock:
//! what is moved takes as long as the rate says, one after the other, and who is further ahead of
//! the time than [`AHEAD_NS`] rests.

use unimux_abi::counters::Counter;
use unimux_abi::physical::Limits;
use unimux_engine::Engine;

use crate::object::Function;
use crate::schedule::REQUEST_COST_BYTES;
use crate::{Firmware, Platform};

/// How far ahead of its rate a function may be: a burst of as long.
const AHEAD_NS: u64 = 1_000_000;
const NS_PER_SECOND: u64 = 1_000_000_000;

/// The clock of one rate.
#[derive(Clone, Copy, Debug, Default)]
struct Meter {
    /// When all that was moved would be over, at the rate.
    until_ns: u64,
    /// What is left of a nanosecond, in units over the rate.
    rest: u64,
}

impl Meter {
    /// `amount` was moved, at a rate of `per_second`; zero is no limit.
    fn charge(&mut self, amount: u64, per_second: u64, now_ns: u64) {
        if per_second == 0 {
            return;
        }
        // A turn moves a block or two: far from where this saturates, at 18 GB.
        let units = amount.saturating_mul(NS_PER_SECOND);
        let units = units.saturating_add(self.rest);
        self.rest = units % per_second;
        let ns = units / per_second;
        self.until_ns = self.until_ns.max(now_ns).saturating_add(ns);
    }
}

/// What one function's limits have seen.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rates {
    bytes: Meter,
    requests: Meter,
    /// What was charged less than it cost: the overhead of a request is charged when it begins,
    /// and counted when it ends.
    owed_bytes: i64,
    /// Requests that had ended when it was charged last.
    ended: u64,
}

impl Rates {
    /// The function did `cost_bytes` of work, and `ended` of its requests have ended so far: some
    /// of them after the work that was charged last.
    fn charge(&mut self, limits: &Limits, cost_bytes: u64, ended: u64, now_ns: u64) {
        // Counters begin anew with the function's next life.
        let requests = ended.checked_sub(self.ended).unwrap_or(ended);
        self.ended = ended;
        let overhead = requests * REQUEST_COST_BYTES;
        self.owed_bytes += cost_bytes.cast_signed() - overhead.cast_signed();
        if self.owed_bytes > 0 {
            let bytes = self.owed_bytes.cast_unsigned();
            self.bytes.charge(bytes, limits.bytes_per_second, now_ns);
            self.owed_bytes = 0;
        }
        self.requests
            .charge(requests, limits.requests_per_second, now_ns);
    }

    /// Whether the function is too far ahead.
    fn is_ahead(&self, now_ns: u64) -> bool {
        let until_ns = self.bytes.until_ns.max(self.requests.until_ns);
        until_ns > now_ns.saturating_add(AHEAD_NS)
    }
}

impl<E: Engine> Firmware<E> {
    /// Sets the limits of a tenant's function. Its clocks begin anew.
    pub(crate) fn set_limits(&mut self, tenant: usize, limits: Limits) {
        let Some(physical) = &mut self.physical else {
            return;
        };
        let index = physical.function_of(tenant);
        let its = &mut physical.tenants[tenant];
        its.limits = limits;
        its.rates = Rates {
            ended: ended(&self.functions[index]),
            ..Rates::default()
        };
        if limits == Limits::default() {
            self.limited &= !(1 << index);
        } else {
            self.limited |= 1 << index;
        }
        if self.functions[index].is_attached() {
            self.schedule.wake(index);
        }
    }

    /// A turn of a function that has limits, if it may have one. Whether there was work.
    #[cold]
    pub(crate) fn limited_turn(&mut self, index: usize, platform: &mut impl Platform) -> bool {
        if self.rests(index, platform) {
            self.schedule.sleep(index);
            self.watch.set_waiting(index);
            return false;
        }
        let mark = self.schedule.service_of(index);
        let worked = self.turn(index, platform);
        let cost_bytes = self.schedule.cost_since(index, mark);
        let ended = ended(&self.functions[index]);
        if let Some(tenant) = self.tenant_mut(index) {
            let limits = tenant.limits;
            tenant
                .rates
                .charge(&limits, cost_bytes, ended, platform.now_ns());
        }
        worked
    }

    /// Wakes a function that has rested long enough. Whether it still rests.
    #[cold]
    pub(crate) fn look_at_a_limited_function(
        &mut self,
        index: usize,
        platform: &impl Platform,
    ) -> bool {
        let rests = self.rests(index, platform);
        if !rests && self.functions[index].is_attached() {
            self.schedule.wake(index);
        }
        rests
    }

    fn rests(&self, index: usize, platform: &impl Platform) -> bool {
        self.tenant(index)
            .is_some_and(|tenant| tenant.rates.is_ahead(platform.now_ns()))
    }
}

/// Requests of a function that have ended.
fn ended(function: &Function) -> u64 {
    [Counter::Completed, Counter::Failed, Counter::Flushed]
        .into_iter()
        .map(|counter| function.counters()[counter as usize])
        .fold(0, u64::wrapping_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds that it takes to move `blocks` blocks of `bytes` under `limits`.
    fn seconds(limits: Limits, blocks: u64, bytes: u64) -> f64 {
        let mut rates = Rates::default();
        let mut now_ns = 0;
        for block in 1..=blocks {
            while rates.is_ahead(now_ns) {
                now_ns += 1000;
            }
            rates.charge(&limits, bytes + REQUEST_COST_BYTES, block, now_ns);
        }
        now_ns as f64 / 1e9
    }

    #[test]
    fn a_rate_is_kept_whatever_the_size() {
        let limits = |bytes_per_second, requests_per_second| Limits {
            bytes_per_second,
            requests_per_second,
        };
        let near = |is: f64, expected: f64| (is - expected).abs() < 0.01 * expected + 0.02;
        assert!(near(seconds(limits(1_000_000, 0), 1000, 10_000), 10.0));
        assert!(near(
            seconds(limits(3_000_000_000, 0), 1_000_000, 3000),
            1.0
        ));
        assert!(near(seconds(limits(0, 5000), 10_000, 64), 2.0));
        assert!(near(seconds(limits(0, 0), 1_000_000, 1 << 20), 0.0));
    }

    #[test]
    fn rest_earns_a_short_burst_only() {
        let limits = Limits {
            bytes_per_second: 1_000_000,
            requests_per_second: 0,
        };
        let mut rates = Rates::default();
        rates.charge(&limits, 1000, 0, 3_600_000_000_000);
        rates.charge(&limits, 1001, 0, 3_600_000_000_000);
        assert!(rates.is_ahead(3_600_000_000_000));
        assert!(!rates.is_ahead(3_600_001_100_000));
    }
}
