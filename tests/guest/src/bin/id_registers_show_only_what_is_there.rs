//! ID registers show what the guest has, and nothing that nobody virtualises.
#![no_std]
#![no_main]
#![expect(unsafe_code, reason = "system registers have names in assembly alone")]
// UNSAFETY: reads ID registers.

use core::arch::asm;

use unimux_guest_rt::{Guest, clock, entry};
use unimux_guest_tests::Checks;

entry!(main);

macro_rules! read {
    ($register:literal) => {{
        let value: u64;
        // SAFETY: an identification register, or one that is reserved among them.
        unsafe { asm!(concat!("mrs {}, ", $register), out(reg) value, options(nomem, nostack)) };
        value
    }};
}

fn field(value: u64, lowest_bit: u32) -> u64 {
    value >> lowest_bit & 0xf
}

fn main(_: Guest) -> i32 {
    let mut checks = Checks::new();
    let pfr0 = read!("id_aa64pfr0_el1");
    checks.equal("EL1 is AArch64 only", field(pfr0, 4), 1);
    for (what, lowest_bit) in [
        ("no EL2", 8),
        ("no EL3", 12),
        ("no RAS", 28),
        ("no SVE", 32),
        ("no secure EL2", 36),
        ("no MPAM", 40),
        ("no activity monitors", 44),
    ] {
        checks.equal(what, field(pfr0, lowest_bit), 0);
    }
    checks.equal("SIMD", field(pfr0, 20), 0);
    let pfr1 = read!("id_aa64pfr1_el1");
    checks.equal("no MTE", field(pfr1, 8), 0);
    checks.equal("no SME", field(pfr1, 24), 0);

    let dfr0 = read!("id_aa64dfr0_el1");
    checks.equal("debug registers of ARMv8", field(dfr0, 0), 6);
    checks.equal("no trace", field(dfr0, 4), 0);
    checks.equal("no PMU", field(dfr0, 8), 0);
    checks.holds("as the runtime sees it", !clock::has_cycles());
    checks.equal("no profiling", field(dfr0, 32), 0);
    checks.equal("no double lock", field(dfr0, 36), 0xf);
    checks.equal("nor in AArch32", read!("id_dfr0_el1") & !0xf, 0);

    let isar1 = read!("id_aa64isar1_el1");
    checks.equal("no pointer authentication", isar1 & 0xff00_0ff0, 0);
    let mmfr1 = read!("id_aa64mmfr1_el1");
    checks.equal("no VMIDs, VHE or LORegions", mmfr1 & 0xf_0ff0, 0);
    let size = field(read!("id_aa64mmfr0_el1"), 0);
    checks.holds("no more than 40 bits of address", size <= 2);

    for reserved in [
        read!("s3_0_c0_c4_3"),
        read!("s3_0_c0_c4_7"),
        read!("s3_0_c0_c5_7"),
        read!("s3_0_c0_c6_7"),
        read!("s3_0_c0_c7_7"),
    ] {
        checks.equal("what is reserved is zero", reserved, 0);
    }
    checks.equal("vCPU 0 in cluster 0", read!("mpidr_el1"), 1 << 31);
    checks.code()
}
