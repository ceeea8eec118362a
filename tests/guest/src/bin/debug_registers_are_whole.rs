//! A guest's debug registers work: breakpoints, watchpoints, the OS lock, and nothing beyond.
#![no_std]
#![no_main]
#![expect(unsafe_code, reason = "debug registers have names in assembly alone")]
// UNSAFETY: the program's own breakpoints and watchpoints.

use core::arch::{asm, naked_asm};

use unimux_guest_rt::exception::{self, Syndrome};
use unimux_guest_rt::{Guest, barrier, entry, words};
use unimux_guest_tests::Checks;

entry!(main);

macro_rules! read {
    ($register:literal) => {{
        let value: u64;
        // SAFETY: a debug register.
        unsafe { asm!(concat!("mrs {}, ", $register), out(reg) value, options(nomem, nostack)) };
        value
    }};
}

macro_rules! write {
    ($register:literal, $value:expr) => {{
        let value: u64 = $value;
        // SAFETY: a debug register, and what it stops at is this program's and expected.
        unsafe { asm!(concat!("msr ", $register, ", {}"), in(reg) value, options(nostack)) };
        barrier::context();
    }};
}

/// Classes of debug exceptions from EL1 (Arm ARM DDI 0487, D24.2, ESR_EL1).
const BREAKPOINT: u8 = 0x31;
const WATCHPOINT: u8 = 0x35;

/// MDSCR_EL1: breakpoints and watchpoints (MDE), at EL1 too (KDE).
const ON: u64 = 1 << 15 | 1 << 13;
/// DBGBCR0_EL1: enabled, at EL1, for all four bytes of an instruction.
const AT_EL1: u64 = 0b1111 << 5 | 0b01 << 1 | 1;
/// DBGWCR0_EL1: enabled, at EL1, for stores to any of eight bytes.
const STORES_AT_EL1: u64 = 0xff << 5 | 0b10 << 3 | 0b01 << 1 | 1;

/// One instruction that does nothing, so that it can be skipped.
#[unsafe(naked)]
extern "C" fn stopped_at() {
    naked_asm!("nop", "ret");
}

fn class_of(action: impl FnOnce()) -> Option<u8> {
    exception::expected(action).map(Syndrome::class)
}

fn main(mut guest: Guest) -> i32 {
    let mut checks = Checks::new();
    let function = stopped_at as extern "C" fn() as usize as u64;
    let watched = guest
        .memory
        .take_aligned(8, 8)
        .as_mut_ptr()
        .expose_provenance();

    checks.equal("the OS lock is closed at first", read!("oslsr_el1"), 0b1010);
    write!("dbgbvr0_el1", function);
    write!("dbgbcr0_el1", AT_EL1);
    write!("dbgwvr0_el1", watched as u64);
    write!("dbgwcr0_el1", STORES_AT_EL1);
    write!("mdscr_el1", ON);
    checks.equal("behind it nothing stops", class_of(|| stopped_at()), None);
    write!("oslar_el1", 0);
    checks.equal("it opens", read!("oslsr_el1"), 0b1000);
    let fetched = class_of(|| stopped_at());
    checks.equal("a breakpoint stops a fetch", fetched, Some(BREAKPOINT));
    // SAFETY: a page of this program's own.
    let stored = exception::expected(|| unsafe { words::store(watched, 1) });
    checks.equal(
        "a watchpoint stops a store",
        stored.map(|it| (it.class(), it.far)),
        Some((WATCHPOINT, watched as u64)),
    );
    let loaded = class_of(|| {
        // SAFETY: as above.
        core::hint::black_box(unsafe { words::load(watched) });
    });
    checks.equal("and no load", loaded, None);
    checks.equal("registers read as written", read!("dbgbvr0_el1"), function);
    checks.equal("all of them", read!("dbgwcr0_el1"), STORES_AT_EL1);
    checks.equal("all of them", read!("mdscr_el1"), ON);
    write!("mdscr_el1", 0);
    checks.equal("without MDE nothing stops", class_of(|| stopped_at()), None);

    let features = read!("id_aa64dfr0_el1");
    let last = features >> 12 & 0xf;
    let sixteenth = class_of(|| {
        read!("dbgbvr15_el1");
    });
    let wanted = (last < 15).then_some(Syndrome::UNKNOWN);
    checks.equal(
        "there are as many as the ID register says",
        sixteenth,
        wanted,
    );
    write!("osdlr_el1", 1);
    checks.equal("the double lock stays open", read!("osdlr_el1"), 0);
    checks.equal("there is no ROM table", read!("mdrar_el1"), 0);
    checks.code()
}
