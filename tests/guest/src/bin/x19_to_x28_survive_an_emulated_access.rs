//! An emulated access changes the register it loads, and no other one.
//!
//! x19 to x28 are what a handler in Rust may keep anything in; the rest is looked at as well.
#![no_std]
#![no_main]

use unimux_guest_rt::paravirt::map::GICD_BASE;
use unimux_guest_rt::{Guest, entry, gic, mmio};
use unimux_guest_tests::Checks;
use unimux_guest_tests::registers::{
    Instruction, LOAD_BYTE_X28, LOAD_SIGNED_X23, LOAD_X19, LOAD_X30, LOAD_ZR, STORE_X21, STORE_ZR,
    lowest_changed,
};

entry!(main);

const SEED: u64 = 0xa5a5_5a5a_0f0f_0000;
/// GICD_TYPER, which always reads the same (IHI0069, 12.9.38; IHI0048B, 4.3.2).
const GICD_TYPER: u64 = GICD_BASE + 4;
/// ICFGR0, which does too: SGIs are edges (IHI0069, 12.11.9; IHI0048B, 4.3.13).
const ICFGR_0: u64 = 0xc00;
/// GICD_ICPENDR(1): writing zeros to it does nothing; other bits are unpended.
const GICD_ICPENDR_1: u64 = GICD_BASE + 0x284;
const NO_TARGET: usize = 31;

/// GICD_IPRIORITYR(10), which may be accessed by the byte: four priorities (IHI0069, 12.9.19).
const GICD_IPRIORITYR_10: u64 = GICD_BASE + 0x428;
const PRIORITIES: u32 = 0xe0c0_a080;

#[expect(unsafe_code, reason = "reads and writes device registers by address")]
fn main(_: Guest) -> i32 {
    let mut checks = Checks::new();
    let private = gic::private_frame() as u64 + ICFGR_0;
    for (what, address) in [("distributor", GICD_TYPER), ("private interrupts", private)] {
        // SAFETY: both are registers of the GIC, which the runtime maps; reading them does nothing.
        let value: u64 = unsafe { mmio::read32(address as usize) }.into();
        let signed = i64::from((value as u32).cast_signed()).cast_unsigned();
        let loads: [(&str, Instruction, usize, u64); 4] = [
            ("ldr w19", LOAD_X19, 19, value),
            ("ldrsw x23", LOAD_SIGNED_X23, 23, signed),
            ("ldr w30", LOAD_X30, 30, value),
            ("ldr wzr", LOAD_ZR, NO_TARGET, 0),
        ];
        checks.holds(what, true);
        for (name, load, target, loaded) in loads {
            check_load(&mut checks, name, load, address, target, loaded);
        }
    }
    // SAFETY: sets the priorities of four SPIs that are not enabled.
    unsafe { mmio::write32(GICD_IPRIORITYR_10 as usize, PRIORITIES) };
    for (byte, priority) in PRIORITIES.to_le_bytes().into_iter().enumerate() {
        let address = GICD_IPRIORITYR_10 + byte as u64;
        check_load(
            &mut checks,
            "ldrb w28",
            LOAD_BYTE_X28,
            address,
            28,
            priority.into(),
        );
    }
    for (name, store) in [("str w21", STORE_X21), ("str wzr", STORE_ZR)] {
        let after = store.execute(GICD_ICPENDR_1, SEED);
        checks.equal(name, lowest_changed(&after, SEED, 1, NO_TARGET), -1);
    }
    checks.code()
}

fn check_load(
    checks: &mut Checks,
    name: &str,
    load: Instruction,
    address: u64,
    target: usize,
    loaded: u64,
) {
    let after = load.execute(address, SEED);
    if let Some(&found) = after.get(target) {
        checks.equal(name, found, loaded);
    }
    let changed = lowest_changed(&after, SEED, 1, target);
    checks.equal("no other register changes", changed, -1);
    checks.equal("the address stays", after[0], address);
}
