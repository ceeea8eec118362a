//! What a device does not take is an external abort, and the guest goes on.
#![no_std]
#![no_main]
#![expect(unsafe_code, reason = "only assembly says which instruction it is")]
// UNSAFETY: accesses to emulated devices that are not carried out.

use core::arch::asm;

use unimux_guest_rt::paravirt::map::{ECAM_BASE, GICD_BASE, UART_BASE};
use unimux_guest_rt::{Guest, entry, exception};
use unimux_guest_tests::Checks;

entry!(main);

/// ESR_EL1: data abort from EL1, of a 32-bit instruction, synchronous external abort.
const EXTERNAL_ABORT: u64 = 0x25 << 26 | 1 << 25 | 0x10;
/// WnR: a store.
const STORE: u64 = 1 << 6;

/// What is done, what of it the syndrome says, and how.
type Refused = (&'static str, u64, fn(u64));

macro_rules! to {
    ($text:literal) => {
        |address: u64| {
            // SAFETY: a device that refuses it, or cache maintenance.
            unsafe { asm!($text, in("x0") address, out("x1") _, out("x2") _, options(nostack)) }
        }
    };
}

fn main(_: Guest) -> i32 {
    let mut checks = Checks::new();
    let refused: [Refused; 4] = [
        ("a pair loaded", 0, to!("ldp x1, x2, [x0]")),
        ("a pair stored", STORE, to!("stp xzr, xzr, [x0]")),
        (
            "a load that counts its address up",
            0,
            to!("ldr w1, [x0], #4"),
        ),
        ("a store that does", STORE, to!("str wzr, [x0], #4")),
    ];
    for (device, base) in [
        ("UART", UART_BASE),
        ("GIC", GICD_BASE),
        ("PCI bus", ECAM_BASE),
    ] {
        checks.holds(device, true);
        for (what, direction, access) in refused {
            let left = exception::expected(|| access(base + 8));
            checks.equal(
                what,
                left.map(|it| (it.esr, it.far)),
                Some((EXTERNAL_ABORT | direction, base + 8)),
            );
        }
        let maintenance = exception::expected(|| to!("dc civac, x0")(base + 8));
        checks.equal("there is nothing to clean", maintenance, None);
        let plain = exception::expected(|| to!("ldr w1, [x0]")(base + 8));
        checks.equal("a plain load is carried out", plain, None);
    }
    checks.code()
}
