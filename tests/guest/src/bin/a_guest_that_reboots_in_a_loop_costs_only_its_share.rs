//! A guest that does nothing but reboot has its share of the core, and its neighbour has the rest.
//! scenario: shared
//! clock: instructions
//! log: alice: reset, 16 so far
//!
//! Alice has weight 100, Bob 200. Each of her lives begins with memory that is cleared on her account.
#![no_std]
#![no_main]

use unimux_guest_rt::{Guest, clock, entry, psci};
use unimux_guest_tests::{Checks, share};

entry!(main);

const INTERVAL_NS: core::ops::Range<u64> = 1_000_000_000..2_000_000_000;
const LAST_LIFE_NS: u64 = 2_100_000_000;
/// Thousandths.
const SHARE_MIN: u64 = 640;

fn main(guest: Guest) -> i32 {
    let mut checks = Checks::new();
    if guest.argument("role") == Some("a") {
        if clock::now_ns() < LAST_LIFE_NS {
            psci::system_reset();
        }
        return checks.code();
    }
    let had = share::per_mille(INTERVAL_NS);
    if had < SHARE_MIN {
        checks.equal("thousandths of the core", had, SHARE_MIN);
    }
    checks.code()
}
