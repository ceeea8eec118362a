//! A guest that faults on a core that it shares is restarted; its neighbour there does not notice.
//! scenario: shared
//! log: alice: restarted, 3 of
//!
//! As for a guest with a core of its own: Bob writes to Alice, and she dies three times meanwhile.
#![no_std]
#![no_main]

use unimux_guest_rt::{Guest, entry};
use unimux_guest_tests::lives;

entry!(main);

const DEATHS: u64 = 3;

fn main(guest: Guest) -> i32 {
    lives::by_faults(guest, DEATHS)
}
