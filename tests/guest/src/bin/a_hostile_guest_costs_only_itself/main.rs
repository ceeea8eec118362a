//! A hostile guest costs only itself: each attack ends in an error of its own.
//! scenario: trio
//! time-limit: 180
//!
//! Mallory goes through a list of attacks on the firmware while Alice writes to Bob and reads back,
//! byte-exact, all the time. Alice says when each attack begins, so that her work surrounds it.
#![no_std]
#![no_main]

mod attacks;
mod target;
mod victim;

use unimux_guest_rt::{Guest, entry};
use unimux_guest_tests::Checks;

entry!(main);

/// Functions have the numbers of their guests in the scenario.
mod function {
    pub(crate) const ALICE: u32 = 0;
    pub(crate) const BOB: u32 = 1;
    pub(crate) const MALLORY: u32 = 2;
}

fn main(guest: Guest) -> i32 {
    let mut checks = Checks::new();
    let done = match guest.argument("role") {
        Some("a") => victim::write(guest, &mut checks),
        Some("b") => victim::lend(guest),
        _ => attacks::carry_out(guest, &mut checks),
    };
    checks.equal("everything came to its end", done, Ok(()));
    checks.code()
}
