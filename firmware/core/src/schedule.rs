//! Step 2: whose turn is it?
//!
//! Start-time fair queueing over functions: each has a clock of the service it got, divided by
//! its weight, and the one that is furthest behind is next. A function that wakes up starts at the
//! clock of the one that was served last: rest earns nothing, so nobody saves up for a burst, and
//! who asks little is served at once. Cost is counted in bytes, a request's overhead included.
//!
//! The price: `next` looks at every runnable function, a few instructions each. Idle functions
//! cost nothing here.

/// Functions that a schedule knows; a bit for each in one word.
pub(crate) const MAX_FUNCTIONS: usize = 64;

/// What a request costs over its bytes, in bytes: about the time in which the cpu engine copies
/// as much.
pub(crate) const REQUEST_COST_BYTES: u64 = 2048;

/// Service is counted in bytes times this over the weight: the quotient is worked out once for a
/// weight, and is never less than one.
const SCALE: u32 = 1 << 16;

/// Whether `one` has had less service than `other`. Service wraps after 256 TiB; no two functions
/// are ever half of that apart.
const fn is_behind(one: u64, other: u64) -> bool {
    one.wrapping_sub(other).cast_signed() < 0
}

/// Who is runnable, and how much service each has had.
#[derive(Debug)]
pub(crate) struct Schedule {
    runnable: u64,
    served: [u64; MAX_FUNCTIONS],
    /// [`SCALE`] over each one's weight.
    scales: [u32; MAX_FUNCTIONS],
    /// The service of whoever was picked last, before it was charged.
    clock: u64,
}

impl Schedule {
    pub(crate) const fn new() -> Self {
        Self {
            runnable: 0,
            served: [0; MAX_FUNCTIONS],
            scales: [SCALE; MAX_FUNCTIONS],
            clock: 0,
        }
    }

    pub(crate) const fn set_weight(&mut self, function: usize, weight: u16) {
        self.scales[function] = SCALE / weight as u32;
    }

    pub(crate) fn wake(&mut self, function: usize) {
        if !self.is_runnable(function) {
            if is_behind(self.served[function], self.clock) {
                self.served[function] = self.clock;
            }
            self.runnable |= 1 << function;
        }
    }

    /// As [`wake`](Self::wake), of a function that did not rest but waited for the engine: it is as
    /// far behind as it was.
    pub(crate) const fn resume(&mut self, function: usize) {
        self.runnable |= 1 << function;
    }

    pub(crate) const fn sleep(&mut self, function: usize) {
        self.runnable &= !(1 << function);
    }

    pub(crate) const fn is_runnable(&self, function: usize) -> bool {
        self.runnable & 1 << function != 0
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.runnable == 0
    }

    /// Whether no other function is runnable.
    pub(crate) const fn is_alone(&self, function: usize) -> bool {
        self.runnable & !(1 << function) == 0
    }

    /// All runnable functions, a bit for each.
    pub(crate) const fn runnable(&self) -> u64 {
        self.runnable
    }

    /// The runnable function that is furthest behind.
    pub(crate) fn next(&mut self) -> Option<usize> {
        let mut left = self.runnable;
        let mut best: Option<usize> = None;
        while left != 0 {
            let function = left.trailing_zeros() as usize;
            left &= left - 1;
            if best.is_none_or(|best| is_behind(self.served[function], self.served[best])) {
                best = Some(function);
            }
        }
        let best = best?;
        if is_behind(self.clock, self.served[best]) {
            self.clock = self.served[best];
        }
        Some(best)
    }

    /// How much service a function has had: a mark for [`cost_since`](Self::cost_since).
    pub(crate) const fn service_of(&self, function: usize) -> u64 {
        self.served[function]
    }

    /// What was charged to a function since a mark that it had no rest after, in bytes.
    pub(crate) const fn cost_since(&self, function: usize, mark: u64) -> u64 {
        self.served[function].wrapping_sub(mark) / self.scales[function] as u64
    }

    /// Counts `cost_bytes` of service for a function.
    pub(crate) fn charge(&mut self, function: usize, cost_bytes: u64) {
        let share = cost_bytes * u64::from(self.scales[function]);
        self.served[function] = self.served[function].wrapping_add(share);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that each function gets in `turns` turns, if it asks for `asks[i]` bytes a turn.
    fn shares<const N: usize>(weights: [u16; N], asks: [u64; N], turns: usize) -> [u64; N] {
        let mut schedule = Schedule::new();
        for (function, weight) in weights.into_iter().enumerate() {
            schedule.set_weight(function, weight);
            schedule.wake(function);
        }
        let mut shares = [0; N];
        for _ in 0..turns {
            let function = schedule.next().unwrap();
            schedule.charge(function, asks[function]);
            shares[function] += asks[function];
        }
        shares
    }

    /// Of 100 turns of equal cost, how many each of functions 0 and 1 has.
    fn turns_of_two(schedule: &mut Schedule) -> [u32; 2] {
        let mut turns = [0; 2];
        for _ in 0..100 {
            let function = schedule.next().unwrap();
            schedule.charge(function, 1000);
            turns[function] += 1;
        }
        turns
    }

    #[test]
    fn equal_weights_get_equal_bytes_whatever_they_ask() {
        let [a, b, c] = shares([1; 3], [16384, 2048, 5000], 10_000);
        assert!(
            a.abs_diff(b) <= 16384 && a.abs_diff(c) <= 16384,
            "{a} {b} {c}"
        );
    }

    #[test]
    fn weights_are_shares() {
        let [a, b] = shares([3, 1], [4096; 2], 4000);
        assert!(a.abs_diff(3 * b) < 2 * 4096, "{a} {b}");
    }

    #[test]
    fn rest_earns_nothing() {
        let mut schedule = Schedule::new();
        schedule.wake(0);
        for _ in 0..100 {
            assert_eq!(schedule.next(), Some(0));
            schedule.charge(0, 1000);
        }
        schedule.wake(1);
        assert_eq!(turns_of_two(&mut schedule), [50, 50]);
    }

    #[test]
    fn who_waited_for_the_engine_did_not_rest() {
        let mut schedule = Schedule::new();
        schedule.wake(0);
        schedule.wake(1);
        schedule.sleep(1);
        for _ in 0..50 {
            assert_eq!(schedule.next(), Some(0));
            schedule.charge(0, 1000);
        }
        schedule.resume(1);
        assert_eq!(turns_of_two(&mut schedule), [25, 75]);
    }

    #[test]
    fn service_may_wrap() {
        let mut schedule = Schedule::new();
        schedule.clock = u64::MAX - 5000 * u64::from(SCALE);
        schedule.wake(0);
        schedule.wake(1);
        assert_eq!(turns_of_two(&mut schedule), [50, 50]);
    }

    #[test]
    fn who_sleeps_is_not_asked() {
        let mut schedule = Schedule::new();
        schedule.wake(5);
        schedule.sleep(5);
        assert_eq!(schedule.next(), None);
        assert!(schedule.is_empty());
    }
}
