//! What ID registers do not show is undefined: the PMU, and others that would reach beyond the guest.
#![no_std]
#![no_main]
#![expect(unsafe_code, reason = "system registers have names in assembly alone")]
// UNSAFETY: accesses that must be undefined.

use core::arch::asm;

use unimux_guest_rt::exception::{self, Syndrome};
use unimux_guest_rt::{Guest, entry};
use unimux_guest_tests::Checks;

entry!(main);

macro_rules! access {
    ($text:literal) => {
        ($text, || {
            // SAFETY: undefined, or a counter, or a register of the PMU that this program has no use
            // for.
            unsafe { asm!($text, out("x0") _, options(nostack)) }
        })
    };
}

const ACCESSES: [(&str, fn()); 9] = [
    access!("mrs x0, pmcr_el0"),
    access!("msr pmcr_el0, xzr"),
    access!("mrs x0, pmccntr_el0"),
    access!("mrs x0, pmuserenr_el0"),
    access!("msr pmintenclr_el1, xzr"),
    access!("mrs x0, pmevtyper0_el0"),
    access!("mrs x0, s3_0_c5_c3_0"),
    access!("mrs x0, s3_0_c10_c4_3"),
    access!("msr s2_1_c0_c0_4, xzr"),
];

fn main(_: Guest) -> i32 {
    let mut checks = Checks::new();
    for (text, access) in ACCESSES {
        let left = exception::expected(access).map(|it| (it.class(), it.esr));
        checks.equal(text, left, Some((Syndrome::UNKNOWN, 1 << 25)));
    }
    checks.code()
}
