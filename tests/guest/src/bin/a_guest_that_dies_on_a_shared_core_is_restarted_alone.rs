//! A guest that faults on a core that it shares is restarted; its neighbour there does not notice.
//! scenario: shared
//! log: alice: restarted, 3 of
//!
//! As for a guest with a core of its own: Bob writes to Alice, and she dies three times meanwhile.
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
