//! An unknown HVC or SMC is answered NOT_SUPPORTED, and changes no other register.
#![no_std]
#![no_main]

use unimux_guest_rt::hypercall;
use unimux_guest_rt::paravirt::hypercall::{
    CALL_COUNT, CALL_REVISION, CALL_UID, CALLS, REVISION, UID,
};
use unimux_guest_rt::{Guest, entry};
use unimux_guest_tests::Checks;
use unimux_guest_tests::registers::{HVC, SMC, lowest_changed};

entry!(main);

const SEED: u64 = 0x1122_3344_5566_0000;
const NOT_SUPPORTED: u64 = u64::MAX;

/// One of each owner that has nothing here (SMCCC, DEN0028, 6): CPU, SiP, OEM, standard beyond
/// PSCI, hypervisor beyond Unimux's, trusted applications and systems, yielding, and no call at all.
const UNKNOWN: [u64; 9] = [
    0x8100_0000,
    0xc200_0001,
    0xc300_0000,
    0x8400_0100,
    0xc600_7fff,
    0xb000_0000,
    0xf200_0000,
    0x0000_0000,
    0xffff_ffff,
];

fn main(_: Guest) -> i32 {
    let mut checks = Checks::new();
    for (by, instruction) in [("HVC", HVC), ("SMC", SMC)] {
        for function in UNKNOWN {
            let after = instruction.execute(function, SEED);
            checks.equal(by, after[0], NOT_SUPPORTED);
            let changed = lowest_changed(&after, SEED, 1, 0);
            checks.equal("no other register changes", changed, -1);
        }
    }
    let [count, ..] = hypercall::call(CALL_COUNT, &[]);
    checks.equal("the vendor's service counts its calls", count, CALLS.into());
    let [major, minor, ..] = hypercall::call(CALL_REVISION, &[]);
    let revision = (major as u32, minor as u32);
    checks.equal("it has a revision", revision, REVISION);
    let uid = hypercall::call(CALL_UID, &[]).map(|word| word as u32);
    checks.equal("it has an identity", uid, UID);
    let flood = (0..100_000).all(|_| hypercall::call(0xc600_7fff, &[])[0] == NOT_SUPPORTED);
    checks.holds("a hundred thousand of them get the same answer", flood);
    checks.code()
}
