//! What the schedule promises, for any weights and any sequence of turns.

use proptest::collection::vec;
use proptest::prelude::*;
use unimux_schedule::{SEATS_MAX, Schedule};

const SLICE: u64 = 1000;
/// Longer than any turn.
const LONG: u64 = 10 * SLICE;

fn weights() -> impl Strategy<Value = Vec<u32>> {
    vec(prop_oneof![1u32..=10, 1u32..=1000], 2..=SEATS_MAX)
}

/// A core that does what its schedule says.
struct Core {
    schedule: Schedule,
    weights: Vec<u32>,
    now: u64,
    got: Vec<u64>,
}

impl Core {
    fn new(weights: &[u32]) -> Self {
        Self {
            schedule: Schedule::new(weights.iter().copied(), SLICE),
            weights: weights.to_vec(),
            now: 0,
            got: vec![0; weights.len()],
        }
    }

    fn all_awake(weights: &[u32]) -> Self {
        let mut core = Self::new(weights);
        (0..weights.len()).for_each(|seat| core.schedule.wake(seat, 0));
        core
    }

    /// Lets whose turn it is run until its end and `late` more, for `at_most`.
    fn run(&mut self, at_most: u64, late: u64) -> Option<usize> {
        let seat = self.schedule.turn(self.now)?;
        let end = self.schedule.turn_end();
        let end = end.map_or(u64::MAX, |it| it + late);
        let until = end.min(self.now + at_most.max(1));
        self.got[seat] += until - self.now;
        self.now = until;
        Some(seat)
    }

    /// How far two seats are apart by what they got, and how far they may be: a turn of each, which
    /// may be `late`.
    fn unfairness(&self, one: usize, other: usize, late: u64) -> (f64, f64) {
        let by_weight = |seat: usize| self.got[seat] as f64 / f64::from(self.weights[seat]);
        let turn = |seat: usize| (SLICE + late + 1) as f64 / f64::from(self.weights[seat]);
        // What rounding up to a unit of virtual time may add in each turn is far less than this.
        let rounding = 1.0 + self.now as f64 / 1000.0;
        let apart = (by_weight(one) - by_weight(other)).abs();
        (apart, turn(one) + turn(other) + rounding)
    }
}

/// What may happen to a core.
#[derive(Clone, Debug)]
enum Event {
    Run(u64),
    Wake(usize),
    Block(usize),
    GiveWay,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let seat = 0..SEATS_MAX;
    let event = prop_oneof![
        4 => (0..3 * SLICE).prop_map(Event::Run),
        2 => seat.clone().prop_map(Event::Wake),
        1 => seat.prop_map(Event::Block),
        1 => Just(Event::GiveWay),
    ];
    vec(event, 0..200)
}

proptest! {
    #[test]
    fn shares_follow_weights(weights in weights(), late in 0u64..200, turns in 1usize..1000) {
        let mut core = Core::all_awake(&weights);
        for _ in 0..turns {
            core.run(LONG, late);
        }
        for one in 0..weights.len() {
            for other in 0..one {
                let (apart, allowed) = core.unfairness(one, other, late);
                prop_assert!(apart <= allowed, "{one} and {other}: {apart} > {allowed}");
            }
        }
    }

    #[test]
    fn everybody_who_wants_to_run_does(weights in weights(), events in events()) {
        let mut core = Core::new(&weights);
        for event in events {
            let count = weights.len();
            match event {
                Event::Run(ticks) => _ = core.run(ticks, 0),
                Event::Wake(seat) => core.schedule.wake(seat % count, core.now),
                Event::Block(seat) => core.schedule.block(seat % count, core.now),
                Event::GiveWay => core.schedule.give_way(core.now),
            }
        }
        // From here on nobody blocks: each gets a turn while the others have what makes up for the
        // largest difference of weights.
        let waiting: Vec<usize> = (0..weights.len())
            .filter(|seat| core.schedule.is_runnable(*seat))
            .collect();
        let mut seen = vec![false; weights.len()];
        for _ in 0..20_000 {
            if let Some(seat) = core.run(LONG, 0) {
                seen[seat] = true;
            }
        }
        prop_assert!(waiting.iter().all(|seat| seen[*seat]), "{waiting:?} {seen:?}");
    }

    #[test]
    fn only_who_wants_to_runs(weights in weights(), events in events()) {
        let mut core = Core::new(&weights);
        let mut wants = vec![false; weights.len()];
        for event in events {
            let count = weights.len();
            match event {
                Event::Run(ticks) => match core.run(ticks, 0) {
                    Some(seat) => prop_assert!(wants[seat]),
                    None => prop_assert!(wants.iter().all(|it| !it)),
                },
                Event::Wake(seat) => {
                    wants[seat % count] = true;
                    core.schedule.wake(seat % count, core.now);
                }
                Event::Block(seat) => {
                    wants[seat % count] = false;
                    core.schedule.block(seat % count, core.now);
                }
                Event::GiveWay => core.schedule.give_way(core.now),
            }
        }
    }

    #[test]
    fn rest_earns_a_slice_and_no_more(weight in 1u32..=1000, rest in 0u64..1_000_000_000) {
        let mut core = Core::new(&[weight, weight]);
        core.schedule.wake(0, 0);
        core.run(rest, 0);
        core.schedule.wake(1, core.now);
        core.got = vec![0; 2];
        for _ in 0..20 {
            core.run(LONG, 0);
        }
        let (apart, allowed) = core.unfairness(0, 1, 0);
        let head_start = SLICE as f64 / f64::from(weight);
        prop_assert!(apart <= allowed + head_start, "{apart} > {allowed} + {head_start}");
    }
}

#[test]
fn who_wakes_is_served_at_once_if_behind() {
    let mut core = Core::new(&[100, 100]);
    core.schedule.wake(0, 0);
    core.run(10 * SLICE, 0);
    assert_eq!(core.schedule.turn_end(), None, "nobody waits");
    core.schedule.wake(1, core.now);
    assert_eq!(core.schedule.turn(core.now), Some(1));
    // It had its slice; now it is the other's turn, and for a whole slice.
    core.run(LONG, 0);
    assert_eq!(core.schedule.turn(core.now), Some(0));
    assert_eq!(core.schedule.turn_end(), Some(core.now + SLICE));
}

#[test]
fn who_sleeps_and_wakes_all_the_time_has_no_more_than_its_share() {
    let mut core = Core::all_awake(&[100, 100]);
    for _ in 0..10_000 {
        if core.run(SLICE / 4, 0) == Some(1) {
            core.schedule.block(1, core.now);
            // Somebody else's turn, for a moment.
            core.run(SLICE / 100, 0);
            core.schedule.wake(1, core.now);
        }
    }
    let share = core.got[1] as f64 / core.now as f64;
    assert!((0.45..0.51).contains(&share), "{share}");
}

#[test]
fn who_gives_way_lets_another_run_and_comes_back() {
    let mut core = Core::all_awake(&[100, 100, 100]);
    let mut seen = vec![];
    for _ in 0..6 {
        seen.push(core.run(SLICE / 10, 0).unwrap());
        core.schedule.give_way(core.now);
    }
    assert_eq!(seen, [0, 1, 2, 0, 1, 2]);
    core.schedule.block(1, core.now);
    core.schedule.block(2, core.now);
    assert_eq!(core.schedule.turn(core.now), Some(0));
    core.schedule.give_way(core.now);
    assert_eq!(core.schedule.turn(core.now), Some(0), "there is no other");
}
