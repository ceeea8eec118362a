//! Waiting with an end.

use unimux_guest_rt::{barrier, clock};

/// How long a claim waits for what must happen, in nanoseconds: long, since the machine that
/// emulates may be busy.
pub const PATIENCE_NS: u64 = 20_000_000_000;

/// Waits for `condition`; false if it takes too long.
pub fn comes_true(mut condition: impl FnMut() -> bool) -> bool {
    let began = clock::now_ns();
    while !condition() {
        if clock::now_ns() - began > PATIENCE_NS {
            return false;
        }
        barrier::relax();
    }
    true
}

/// Lets `ns` nanoseconds pass.
pub fn pass(ns: u64) {
    let began = clock::now_ns();
    while clock::now_ns() - began < ns {
        barrier::relax();
    }
}
