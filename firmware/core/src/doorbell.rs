//! Step 1: the guest rang: which functions have work?
//!
//! A ring is a hint, never a fact: it makes the firmware look at the function's queues, and what
//! is there counts. So nothing that a guest writes to its page can be wrong, only useless.
//!
//! *Idle functions cost nothing.* A round looks at the ring word of one of them, whichever is
//! next, however many there are. A function that had work lately is not idle: its send queues are
//! looked at directly, without a ring, for some turns after they ran dry, as long as no other
//! function has work.
//!
//! *Empty rings are believed less and less.* While others have work, the queues of a guest that
//! rings without work are looked at ever more rarely, until they have some again: a storm costs
//! others a load and a compare in some rounds.
//!
//! *Commands have a word of their own.* While data waits, one function's is looked at every few
//! rounds, and what is found there has its own share of the time.

use core::sync::atomic::{AtomicU64, Ordering, fence};

use unimux_abi::counters::Counter;
use unimux_engine::Engine;

use crate::Firmware;
use crate::object::{Function, Serving};

/// Turns without work after which a function counts as idle.
const LINGER_TURNS: u8 = 32;
/// Turns after which a busy function's ring word is looked at again, for its other queues. A power
/// of two.
const RING_TURNS: u8 = 16;
/// Rounds, while data waits, in one of which a commands word is looked at.
const COMMAND_ROUNDS: u64 = 16;
/// Turns that a queue pair without work is still looked at while others of its function are busy.
/// A power of two.
const WARM_TURNS: u8 = 64;
/// Rings in a row that may lead to no work: with queues looked at directly, work is often found
/// before the ring for it.
const PATIENCE: u32 = 8;
/// Rounds for which a ring is not looked at when patience is over; doubled with every further one.
const DISBELIEF_ROUNDS: u64 = 64;
/// How often that is doubled at most.
const DISBELIEF_DOUBLINGS: u32 = 4;

/// What the firmware knows of where a function's work may be.
#[derive(Debug, Default)]
pub(crate) struct Attention {
    /// The ring word when queues were looked at for it last.
    ring_seen: u64,
    /// The commands word that was seen last.
    commands_seen: u64,
    /// Queue pairs whose send queue, or flushing, the firmware serves; a bit for each.
    pub(crate) served: u64,
    /// Of those, the ones worth a look in this pass.
    hot: u64,
    /// Of those, the ones that had work lately.
    warm: u64,
    /// The ones that had work since `warm` was thinned out last.
    recent: u64,
    /// Queue pairs that wait for their peer until some time.
    pub(crate) waiting: u64,
    /// Queue pairs whose request the engine had no room for.
    starved: u64,
    /// The queue pair that had the last turn.
    last: u8,
    turns: u8,
    empty_turns: u8,
    rang_since_work: bool,
    empty_rings: u32,
    /// The round from which on a ring is looked at again.
    believed_from: u64,
}

impl Attention {
    /// Makes queue pairs worth a look.
    pub(crate) const fn heat(&mut self, qps: u64) {
        self.hot |= qps & self.served;
    }

    /// The hot queue pair that comes next after the last one, if there is one.
    pub(crate) const fn next_hot(&self) -> Option<u16> {
        if self.hot == 0 {
            return None;
        }
        let after = (self.last as u32 + 1) & 63;
        let turned = self.hot.rotate_right(after);
        Some(((turned.trailing_zeros() + after) & 63) as u16)
    }

    /// Whether this queue pair is hot, and no other.
    pub(crate) const fn is_hot_alone(&self, qp: u16) -> bool {
        self.hot == 1 << qp
    }

    /// The queue pair had work, and may have more.
    pub(crate) const fn had_work(&mut self, qp: u16) {
        self.last = qp as u8;
        self.warm |= 1 << qp;
        self.recent |= 1 << qp;
        self.found_work();
    }

    /// The queue pair had none.
    pub(crate) const fn had_none(&mut self, qp: u16) {
        self.hot &= !(1 << qp);
    }

    /// The queue pair has work that the engine has no room for.
    const fn starve(&mut self, qp: u16) {
        self.hot &= !(1 << qp);
        self.starved |= 1 << qp;
    }

    /// The queue pair is gone, or served no more.
    pub(crate) const fn drop_qp(&mut self, qp: u16) {
        let others = !(1 << qp);
        self.served &= others;
        self.hot &= others;
        self.warm &= others;
        self.waiting &= others;
        self.starved &= others;
    }

    /// The function's queues had work: its rings mean something.
    const fn found_work(&mut self) {
        self.empty_turns = 0;
        self.rang_since_work = false;
        self.empty_rings = 0;
        self.believed_from = 0;
    }

    /// Counts a turn; whether it is one of those in which the ring word is looked at.
    pub(crate) const fn begin_turn(&mut self) -> bool {
        self.turns = self.turns.wrapping_add(1);
        if self.turns & (WARM_TURNS - 1) == 0 {
            self.warm = self.recent;
            self.recent = 0;
        }
        self.turns & (RING_TURNS - 1) == 0
    }

    /// Nothing is hot any more and the guest has not rung. Whether to go on looking.
    pub(crate) const fn linger(&mut self) -> bool {
        self.empty_turns = self.empty_turns.saturating_add(1);
        if self.empty_turns > LINGER_TURNS || self.warm == 0 {
            return false;
        }
        self.hot = self.warm & self.served;
        true
    }

    /// Looks at no queue until the guest rings.
    pub(crate) const fn rest(&mut self) {
        self.warm = 0;
        self.recent = 0;
        self.empty_turns = 0;
    }

    /// Takes note of another ring word. A ring is doubted only while others have work.
    fn hear(&mut self, ring: u64, round: u64, others_have_work: bool) -> Heard {
        if others_have_work && round < self.believed_from {
            return Heard::Doubtful;
        }
        self.ring_seen = ring;
        if !self.rang_since_work {
            self.rang_since_work = true;
            return Heard::Ring;
        }
        self.empty_rings = self.empty_rings.saturating_add(1);
        if let Some(over) = self.empty_rings.checked_sub(PATIENCE) {
            self.believed_from = round + (DISBELIEF_ROUNDS << over.min(DISBELIEF_DOUBLINGS));
        }
        Heard::RingAfterNothing
    }
}

/// What a look at a ring word told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    /// The guest rang, and is not believed yet.
    Doubtful,
    /// The guest rang.
    Ring,
    /// The guest rang, and the ring before led to no work.
    RingAfterNothing,
}

/// Which functions to look at, when they are not runnable.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// Functions with a guest; a bit for each.
    listening: u64,
    /// Of those, the ones with a ring that is not believed yet.
    doubtful: u64,
    /// Functions with queue pairs that wait for time to pass.
    waiting: u64,
    last_idle: u32,
    last_commanding: u32,
    last_waiting: u32,
    round: u64,
    /// The round from which on a commands word is looked at again, while data waits.
    commands_from: u64,
}

impl Watch {
    pub(crate) const fn next_round(&mut self) {
        self.round += 1;
    }

    /// How many rounds there were.
    pub(crate) const fn round(&self) -> u64 {
        self.round
    }

    /// The functions of which one is looked at in this round, given those that have work. While
    /// some have, the doubtful ones have some rounds of their own and no others.
    fn idle(&self, runnable: u64) -> u64 {
        let idle = self.listening & !runnable;
        let doubtful = idle & self.doubtful;
        if runnable == 0 || doubtful == 0 {
            idle
        } else if self.round.is_multiple_of(DISBELIEF_ROUNDS) {
            doubtful
        } else {
            idle & !doubtful
        }
    }

    /// Looks at the ring word of one function that has no work, whichever is next, and leaves it as
    /// it is. Whether it rang.
    pub(crate) fn hears_another(&mut self, functions: &[Function], runnable: u64) -> bool {
        let idle = self.idle(runnable);
        let Some(index) = next_in_rotation(idle, self.last_idle) else {
            return false;
        };
        let function = &functions[index as usize];
        if other_than(function.ring, function.attention.ring_seen).is_some() {
            return true;
        }
        self.last_idle = index;
        false
    }

    /// Whether there is something to look at that only time, or rounds, can bring.
    pub(crate) const fn is_expectant(&self) -> bool {
        self.waiting | self.doubtful != 0
    }

    pub(crate) const fn set_waiting(&mut self, function: usize) {
        self.waiting |= 1 << function;
    }

    pub(crate) const fn clear_waiting(&mut self, function: usize) {
        self.waiting &= !(1 << function);
    }

    /// The next function, in rotation, that waits for time to pass.
    pub(crate) fn next_waiting(&mut self) -> Option<usize> {
        let function = next_in_rotation(self.waiting, self.last_waiting)?;
        self.last_waiting = function;
        Some(function as usize)
    }
}

/// What a word of a doorbell page holds, if it is not what was `seen`.
#[inline]
fn other_than(word: &AtomicU64, seen: u64) -> Option<u64> {
    let now = word.load(Ordering::Relaxed);
    if now == seen {
        return None;
    }
    // Acquire: the guest filled its queues before it rang, and they are read after this. A barrier,
    // where a load that acquires would do, because most looks find nothing, and they need none.
    fence(Ordering::Acquire);
    Some(now)
}

/// The lowest set bit above `last`, or else the lowest one.
pub(crate) const fn next_in_rotation(bits: u64, last: u32) -> Option<u32> {
    if bits == 0 {
        return None;
    }
    let after = (last + 1) & 63;
    Some((bits.rotate_right(after).trailing_zeros() + after) & 63)
}

impl<E: Engine> Firmware<E> {
    /// Begins to look at a function's ring word. What it holds now is not a ring.
    pub(crate) fn listen_to(&mut self, index: usize) {
        let function = &mut self.functions[index];
        function.attention.ring_seen = function.ring.load(Ordering::Acquire);
        function.attention.commands_seen = function.commands.load(Ordering::Acquire);
        self.watch.listening |= 1 << index;
    }

    /// Looks at a function no more.
    pub(crate) fn turn_away_from(&mut self, index: usize) {
        self.revocations += 1;
        self.watch.listening &= !(1 << index);
        self.watch.doubtful &= !(1 << index);
        self.watch.clear_waiting(index);
        self.control.forget(index);
        self.schedule.sleep(index);
    }

    /// A queue pair has work that the engine has no room for. Others, whose bytes this core moves,
    /// have their turns meanwhile.
    #[cold]
    pub(crate) fn starve(&mut self, index: usize, qp: u16) {
        self.functions[index].attention.starve(qp);
        self.starved |= 1 << index;
    }

    /// The engine may have room again: whoever had none is worth a look, and whoever is furthest
    /// behind comes first.
    pub(crate) fn feed(&mut self) {
        let mut left = core::mem::take(&mut self.starved);
        while left != 0 {
            let index = left.trailing_zeros() as usize;
            left &= left - 1;
            let attention = &mut self.functions[index].attention;
            let starved = core::mem::take(&mut attention.starved);
            attention.heat(starved);
            self.resume_if_hot(index);
        }
    }

    /// Gives a function turns that waited for the engine, if it has queue pairs that are worth a
    /// look.
    pub(crate) fn resume_if_hot(&mut self, index: usize) {
        let function = &self.functions[index];
        if function.is_attached() && function.attention.next_hot().is_some() {
            self.schedule.resume(index);
        }
    }

    /// Looks at the ring word of one function that has no work, whichever is next. While others
    /// have work, one whose rings are doubted is passed over but for some rounds.
    pub(crate) fn look_at_an_idle_function(&mut self) {
        let idle = self.watch.idle(self.schedule.runnable());
        if let Some(index) = next_in_rotation(idle, self.watch.last_idle) {
            self.watch.last_idle = index;
            self.look_at_ring(index as usize);
        }
    }

    /// Looks at the commands word of one function, whichever is next; while data waits, in some
    /// rounds only.
    pub(crate) fn look_for_commands(&mut self, data_waits: bool) {
        if data_waits && self.watch.round < self.watch.commands_from {
            return;
        }
        self.watch.commands_from = self.watch.round + COMMAND_ROUNDS;
        let listening = self.watch.listening;
        let Some(index) = next_in_rotation(listening, self.watch.last_commanding) else {
            return;
        };
        self.watch.last_commanding = index;
        let function = &mut self.functions[index as usize];
        if let Some(commands) = other_than(function.commands, function.attention.commands_seen) {
            function.attention.commands_seen = commands;
            self.control.look_at(index as usize);
        }
    }

    /// Looks at a function's ring word, and at its queues from now on if the guest rang.
    #[inline]
    pub(crate) fn look_at_ring(&mut self, index: usize) {
        let function = &self.functions[index];
        if let Some(ring) = other_than(function.ring, function.attention.ring_seen) {
            self.hear(index, ring);
        }
    }

    /// A function's ring word is another than the one seen last.
    #[inline(never)]
    fn hear(&mut self, index: usize, ring: u64) {
        let others_have_work = !self.schedule.is_alone(index);
        let function = &mut self.functions[index];
        match function
            .attention
            .hear(ring, self.watch.round, others_have_work)
        {
            Heard::Doubtful => {
                self.watch.doubtful |= 1 << index;
                return;
            }
            Heard::Ring => {}
            Heard::RingAfterNothing => function.count(Counter::EmptyRings, 1),
        }
        self.watch.doubtful &= !(1 << index);
        if function.serving == Serving::Attached && function.attention.served != 0 {
            function.attention.heat(u64::MAX);
            self.schedule.wake(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotation_visits_every_bit_in_turn() {
        let bits = 1 << 0 | 1 << 5 | 1 << 63;
        let mut last = 0;
        let visited: [u32; 6] = core::array::from_fn(|_| {
            last = next_in_rotation(bits, last).unwrap();
            last
        });
        assert_eq!(visited, [5, 63, 0, 5, 63, 0]);
        assert_eq!(next_in_rotation(0, 3), None);
    }

    #[test]
    fn hot_queue_pairs_have_their_turns_in_rotation() {
        let mut attention = Attention {
            served: u64::MAX,
            ..Attention::default()
        };
        attention.heat(1 << 3 | 1 << 63);
        assert_eq!(attention.next_hot(), Some(3));
        attention.had_work(3);
        assert_eq!(attention.next_hot(), Some(63));
        attention.had_work(63);
        assert_eq!(attention.next_hot(), Some(3));
        attention.had_none(3);
        attention.drop_qp(63);
        assert_eq!(attention.next_hot(), None);
    }

    #[test]
    fn every_idle_function_has_its_look_whoever_is_doubted() {
        let mut watch = Watch {
            listening: 0b1111,
            doubtful: 0b0010,
            ..Watch::default()
        };
        let mut looks = [0; 4];
        for _ in 0..6400 {
            let index = next_in_rotation(watch.idle(0b0001), watch.last_idle).unwrap();
            watch.last_idle = index;
            looks[index as usize] += 1;
            watch.next_round();
        }
        assert_eq!(looks[..2], [0, 100]);
        assert!(looks[2].min(looks[3]) >= 3000, "{looks:?}");
    }

    #[test]
    fn rings_without_work_are_heard_ever_more_rarely() {
        let mut attention = Attention::default();
        let mut heard = 0;
        for round in 0..100_000 {
            heard += u32::from(attention.hear(round + 1, round, true) != Heard::Doubtful);
        }
        assert!(
            (100..200).contains(&heard),
            "{heard} of 100000 rings were heard"
        );
        attention.found_work();
        assert_eq!(
            attention.hear(7, 100_000, true),
            Heard::Ring,
            "work makes rings believed again"
        );
    }

    #[test]
    fn a_function_that_ran_dry_is_looked_at_for_some_turns() {
        let mut attention = Attention {
            served: 1,
            ..Attention::default()
        };
        attention.heat(1);
        attention.had_work(0);
        attention.had_none(0);
        let turns = (0..100).take_while(|_| attention.linger()).count();
        assert_eq!(turns, usize::from(LINGER_TURNS));
    }
}
