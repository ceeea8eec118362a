//! A guest that faults is restarted alone; who talked to it hears of it, and can talk again.
//! scenario: restart
//! log: alice: restarted, 3 of
//!
//! Alice dies three times while Bob writes to her. His requests end in errors, not in silence, and
//! her next life finds a function without traces of the one before.
#![no_std]
#![no_main]

use unimux_guest_rt::{Guest, entry};
use unimux_guest_tests::lives;

entry!(main);

const DEATHS: u64 = 3;

fn main(guest: Guest) -> i32 {
    lives::by_faults(guest, DEATHS)
}
