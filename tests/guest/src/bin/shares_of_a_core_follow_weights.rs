//! Of two vCPUs that always want to run, each has the share of the core that its weight says.
//! scenario: shared
//! clock: instructions
//!
//! Alice has weight 100, Bob 200. Both spin, and look for the same second of the machine's clock.
#![no_std]
#![no_main]

use unimux_guest_rt::{Guest, entry};
use unimux_guest_tests::{Checks, share};

entry!(main);

/// When both have long been started; and they go on a little.
const SECOND_NS: core::ops::Range<u64> = 1_000_000_000..2_000_000_000;
const END_NS: u64 = 2_100_000_000;
/// Thousandths: a turn at either end of the interval, and what EL2 itself takes.
const TOLERANCE: u64 = 20;

fn main(guest: Guest) -> i32 {
    let mut checks = Checks::new();
    let wanted = match guest.argument("role") {
        Some("a") => 333,
        _ => 667,
    };
    let had = share::per_mille(SECOND_NS);
    share::per_mille(SECOND_NS.end..END_NS);
    if had.abs_diff(wanted) > TOLERANCE {
        checks.equal("thousandths of the core", had, wanted);
    }
    checks.code()
}
