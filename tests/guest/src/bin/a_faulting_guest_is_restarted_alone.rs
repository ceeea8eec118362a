//! A guest that faults is restarted alone; who talked to it hears of it, and can talk again.
//! scenario: restart
//! log: alice: restarted, 3 of
//!
//! Alice dies three times while Bob writes to her. His requests end in errors, not in silence, and
//! her next life finds a function without traces of the one before.
#![no_std]
#![no_main]

use unimux_guest_rt::{Guest, entry, words};
use unimux_guest_tests::{Checks, lives};

entry!(main);

const DEATHS: u64 = 3;

#[expect(unsafe_code, reason = "writes where it must not")]
fn die(end_of_ram: usize) {
    // SAFETY: past the end of RAM there is nothing of this program.
    unsafe { words::store(end_of_ram + 0x10_0000, 1) };
}

fn main(mut guest: Guest) -> i32 {
    if guest.argument("role") == Some("a") {
        let end = guest.ram().end;
        return lives::of_the_mortal(&mut guest, || die(end));
    }
    let mut checks = Checks::new();
    let result = lives::seen_by_the_peer(&mut guest, DEATHS, |life, broken| {
        checks.equal("a write arrives in this life", life.arrived, true);
        checks.holds("then the peer is gone", broken);
    });
    checks.equal("every life was as good as the first", result, Ok(()));
    checks.code()
}
