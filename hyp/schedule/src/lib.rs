//! Whose turn it is on a core that several vCPUs share.
//!
//! Each core has a schedule of its own, so there is no lock. It knows *seats*, by index, and time, in
//! ticks of any clock; not what a seat runs, and not how a core switches.
//!
//! The rule is start-time fair queueing (Goyal, Vin, Cheng, *Start-time Fair Queueing: A Scheduling
//! Algorithm for Integrated Services Packet Switching Networks*, SIGCOMM 1996), as schedulers of CPUs
//! have it: a seat's *virtual time* is the time it got, divided by its weight, and the seat that is
//! furthest behind is next. What follows from it, and is tested (`tests/fairness.rs`):
//!
//! - Two seats that always want to run differ by no more than a turn of each.
//! - Every seat that wants to run does, after at most a turn of each of the others and as many more
//!   as they were behind, which is bounded too.
//! - Rest earns a head start of one slice, no more: who wakes is served soon, and nobody saves up
//!   for a burst.
#![no_std]
#![forbid(unsafe_code)]

use heapless::Vec;

/// Most seats of a core.
pub const SEATS_MAX: usize = 16;

/// Largest weight.
pub const WEIGHT_MAX: u32 = 1000;

/// Virtual time per tick of a seat of weight 1. With ticks of a nanosecond a `u64` lasts for eight
/// years; with the largest weight a unit is 16 ticks, up to which a turn is rounded.
const SCALE: u64 = 64;

/// A seat.
#[derive(Clone, Copy, Debug)]
struct Seat {
    weight: u32,
    runnable: bool,
    /// Time it got, by [`SCALE`] and weight.
    virtual_time: u64,
}

impl Seat {
    /// What `ticks` are to it. Rounded up, so that nobody runs for nothing.
    fn virtual_ticks(&self, ticks: u64) -> u64 {
        ticks.saturating_mul(SCALE).div_ceil(u64::from(self.weight))
    }
}

/// The schedule of one core.
#[derive(Clone, Debug)]
pub struct Schedule {
    seats: Vec<Seat, SEATS_MAX>,
    /// Ticks that a seat may go on for while another wants to run.
    slice: u64,
    /// Whose turn it is, until when, and up to when it was charged.
    turn: Option<Turn>,
    /// The virtual time of the seat that is furthest behind, or was when last one was runnable.
    clock: u64,
}

#[derive(Clone, Copy, Debug)]
struct Turn {
    seat: usize,
    end: u64,
    charged: u64,
}

impl Schedule {
    /// A schedule of as many seats as there are `weights`, none of them runnable, for slices of
    /// `slice` ticks.
    ///
    /// # Panics
    /// If there are more than [`SEATS_MAX`] weights, or one is not 1 to [`WEIGHT_MAX`].
    #[must_use]
    pub fn new(weights: impl IntoIterator<Item = u32>, slice: u64) -> Self {
        let seat = |weight| {
            assert!(matches!(weight, 1..=WEIGHT_MAX), "a weight is 1 to 1000");
            Seat {
                weight,
                runnable: false,
                virtual_time: 0,
            }
        };
        let mut seats = Vec::new();
        for weight in weights {
            let room = seats.push(seat(weight));
            assert!(room.is_ok(), "at most 16 seats");
        }
        Self {
            seats,
            slice,
            turn: None,
            clock: 0,
        }
    }

    /// Whether `seat` wants to run.
    #[must_use]
    pub fn is_runnable(&self, seat: usize) -> bool {
        self.seats[seat].runnable
    }

    /// Whether any seat but `seat` wants to run.
    #[must_use]
    pub fn others_want(&self, seat: usize) -> bool {
        let mut others = self.seats.iter().enumerate();
        others.any(|(other, it)| other != seat && it.runnable)
    }

    /// `seat` wants to run. It has a head start of at most a slice, and if that puts it ahead of the
    /// one whose turn it is, that turn ends.
    pub fn wake(&mut self, seat: usize, now: u64) {
        if self.is_runnable(seat) {
            return;
        }
        self.charge(now);
        let slice = self.slice;
        let it = &mut self.seats[seat];
        let head_start = it.virtual_ticks(slice);
        let earliest = self.clock.saturating_sub(head_start);
        it.virtual_time = it.virtual_time.max(earliest);
        it.runnable = true;
        let its_time = it.virtual_time;
        if let Some(turn) = &mut self.turn
            && its_time < self.seats[turn.seat].virtual_time
        {
            turn.end = now;
        }
    }

    /// `seat` does not want to run any more.
    pub fn block(&mut self, seat: usize, now: u64) {
        self.charge(now);
        self.seats[seat].runnable = false;
        self.turn.take_if(|turn| turn.seat == seat);
    }

    /// Whose turn it is gives up the rest of it: next is another that wants to run, if any does.
    pub fn give_way(&mut self, now: u64) {
        self.charge(now);
        let Some(turn) = self.turn.take() else { return };
        // No further than just behind the next: it does not lose what it would have been owed.
        if let Some(next) = self.furthest_behind(Some(turn.seat)) {
            let after = self.seats[next].virtual_time + 1;
            let it = &mut self.seats[turn.seat];
            it.virtual_time = it.virtual_time.max(after);
        }
    }

    /// Whose turn it is at `now`; nobody's if no seat wants to run.
    pub fn turn(&mut self, now: u64) -> Option<usize> {
        self.charge(now);
        let turn = match self.turn {
            Some(turn) if now < turn.end => turn,
            _ => Turn {
                seat: self.furthest_behind(None)?,
                end: now.saturating_add(self.slice),
                charged: now,
            },
        };
        self.turn = Some(turn);
        Some(turn.seat)
    }

    /// When the turn ends, if another seat waits for that. If none does, nobody has to be
    /// interrupted.
    #[must_use]
    pub fn turn_end(&self) -> Option<u64> {
        let turn = self.turn.filter(|turn| self.others_want(turn.seat))?;
        Some(turn.end)
    }

    /// Charges whose turn it is for the time up to `now`.
    fn charge(&mut self, now: u64) {
        if let Some(turn) = &mut self.turn {
            let seat = &mut self.seats[turn.seat];
            let ticks = now.saturating_sub(turn.charged);
            let passed = seat.virtual_ticks(ticks);
            seat.virtual_time = seat.virtual_time.saturating_add(passed);
            turn.charged = now;
        }
        if let Some(seat) = self.furthest_behind(None) {
            self.clock = self.clock.max(self.seats[seat].virtual_time);
        }
    }

    /// Of the seats that want to run, `but` one, the one that is furthest behind. Of several: the
    /// first after the one whose turn it was.
    fn furthest_behind(&self, but: Option<usize>) -> Option<usize> {
        let count = self.seats.len();
        let first = self.turn.map_or(0, |turn| turn.seat + 1);
        let mut least: Option<(usize, u64)> = None;
        for step in first..first + count {
            let seat = if step < count { step } else { step - count };
            let it = &self.seats[seat];
            if it.runnable
                && Some(seat) != but
                && least.is_none_or(|(_, time)| it.virtual_time < time)
            {
                least = Some((seat, it.virtual_time));
            }
        }
        least.map(|(seat, _)| seat)
    }
}
