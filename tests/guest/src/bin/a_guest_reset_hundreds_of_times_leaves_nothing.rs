//! A guest that resets itself hundreds of times, with work in flight, leaves nothing behind.
//! scenario: small
//! time-limit: 300
//! boards: one
//!
//! Each of Alice's lives makes queues and regions and drops them by a PSCI SYSTEM_RESET in the
//! middle of her own large writes. Her quota allows 16 queue pairs, so a leak would show soon.
#![no_std]
#![no_main]

use unimux_guest_rt::{Guest, entry, println, psci};
use unimux_guest_tests::{Checks, lives};

entry!(main);

const RESETS: u64 = 200;

fn main(mut guest: Guest) -> i32 {
    if guest.argument("role") == Some("a") {
        return lives::of_the_mortal(&mut guest, || {
            let refused = psci::system_reset();
            println!("FAILED: SYSTEM_RESET returned {refused}");
        });
    }
    let mut checks = Checks::new();
    let (mut arrived, mut broken) = (0, 0);
    let result = lives::seen_by_the_peer(&mut guest, RESETS, |life, is_broken| {
        arrived += u64::from(life.arrived);
        broken += u64::from(is_broken);
    });
    checks.equal("every life was as good as the first", result, Ok(()));
    checks.equal("a write arrived in each life", arrived, RESETS);
    checks.equal("each death was noticed", broken, RESETS);
    checks.code()
}
