//! A guest that faults is restarted alone; who talked to it hears of it, and can talk again.
//! scenario: restart
//! log: alice: restarted, 3 of
//!
//! Alice dies three times while Bob writes to her. His requests end in errors, not in silence, and
//! her next life finds a function without traces of the one before.
#![no_std]
#![no_main]

use unimux_guest_rt::{Guest, entry};
use unimux_guest_tests::{Checks, lives};

entry!(main);

const DEATHS: u64 = 3;

fn main(mut guest: Guest) -> i32 {
    if guest.argument("role") == Some("a") {
        return lives::of_one_that_faults(&mut guest);
    }
    let mut checks = Checks::new();
    lives::seen_as_good(&mut guest, DEATHS, &mut checks);
    checks.code()
}
