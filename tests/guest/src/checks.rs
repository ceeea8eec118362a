//! Comparisons that say what went wrong, and fail the claim once at its end.

use core::fmt::Debug;

use unimux_guest_rt::println;

/// Counts what did not hold, so that a claim shows all of it.
#[derive(Debug, Default)]
pub struct Checks {
    failures: i32,
}

impl Checks {
    /// Nothing has failed yet.
    pub const fn new() -> Self {
        Self { failures: 0 }
    }

    /// Prints `what` as held if `found` equals `wanted`, and both if not.
    pub fn equal<T: PartialEq + Debug>(&mut self, what: &str, found: T, wanted: T) {
        if found == wanted {
            println!("ok: {what}");
        } else {
            self.failures += 1;
            println!("FAILED: {what}: found {found:x?}, wanted {wanted:x?}");
        }
    }

    /// Prints `what` as held if `condition` is true.
    pub fn holds(&mut self, what: &str, condition: bool) {
        self.equal(what, condition, true);
    }

    /// The code to exit with: the number of failures.
    pub fn code(&self) -> i32 {
        self.failures
    }
}
