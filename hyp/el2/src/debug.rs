//! What of debugging and measuring a guest reaches, and its debug registers in the core.
//!
//! Accesses are carried out on the vCPU's own copy ([`unimux_trap::debug`]).
#![expect(
    unsafe_code,
    reason = "debug registers have numbers instead of addresses"
)]
// UNSAFETY: the debug registers of this core at EL1, by MSR.

use core::arch::asm;

use aarch64_cpu::registers::{MDCR_EL2, Writeable};
use unimux_trap::debug::{COMPARATORS_MAX, DebugRegisters};

/// MDCR_EL2 (Arm ARM DDI 0487, D24.3): what traps always. TDRA, TDOSA, TDA: debug registers. TPMS and
/// TTRF: profiling and trace.
const TRAPS: u64 = (1 << 11) | (1 << 10) | (1 << 9) | (1 << 14) | (1 << 19);
/// TPM and TPMCR: the PMU.
const PMU_TRAPS: u64 = (1 << 6) | (1 << 5);

/// Says what of debugging and measuring traps. A guest that measures has the core's counters, all of
/// them (HPMN).
pub(crate) fn set_traps(measures: bool) {
    let control: u64;
    // SAFETY: reads PMCR_EL0, of which N, bits 15:11, is the number of event counters.
    unsafe { asm!("mrs {}, pmcr_el0", out(reg) control, options(nomem, nostack)) };
    let pmu = if measures { 0 } else { PMU_TRAPS };
    MDCR_EL2.set(TRAPS | pmu | control >> 11 & 0x1f);
}

/// How many breakpoints and watchpoints this core has (ID_AA64DFR0_EL1.{BRPs, WRPs}, one less each).
pub(crate) fn counts() -> [usize; 2] {
    let features: u64;
    // SAFETY: reads an identification register.
    unsafe {
        asm!("mrs {}, id_aa64dfr0_el1", out(reg) features, options(nomem, nostack, preserves_flags));
    }
    [features >> 12, features >> 20].map(|it| (it & 0xf) as usize + 1)
}

/// Gives this core the debug registers of the vCPU that it is.
pub(crate) fn load(registers: &DebugRegisters) {
    // SAFETY: MDSCR_EL1 acts on EL1 and EL0 alone, as debug exceptions go to EL1.
    unsafe {
        asm!("msr mdscr_el1, {}", in(reg) registers.effective_control(), options(nomem, nostack, preserves_flags));
    }
    // While they have no effect, it does not matter whose they are.
    let Some([breakpoints, watchpoints]) = registers.effective_comparators() else {
        return;
    };
    let skipped = counts().map(|it| COMPARATORS_MAX - it);
    // Writes those below the number that the core has: enters the list behind those that it has not,
    // which take three instructions each.
    macro_rules! write_all {
        ($value:literal, $control:literal, $from:ident, $skipped:expr) => {
            // SAFETY: loads of the array's pairs, and debug registers that the core has.
            unsafe {
                asm!(
                    "adr {entry}, 2f",
                    "add {entry}, {entry}, {skipped}, lsl #2",
                    "br {entry}",
                    "2:",
                    ".irp number, 15,14,13,12,11,10,9,8,7,6,5,4,3,2,1,0",
                    "ldp {value}, {control}, [{from}, #16 * \\number]",
                    concat!("msr ", $value, "\\number\\()_el1, {value}"),
                    concat!("msr ", $control, "\\number\\()_el1, {control}"),
                    ".endr",
                    entry = out(reg) _,
                    value = out(reg) _,
                    control = out(reg) _,
                    skipped = in(reg) 3 * $skipped,
                    from = in(reg) $from,
                    options(readonly, nostack, preserves_flags),
                );
            }
        };
    }
    write_all!("dbgbvr", "dbgbcr", breakpoints, skipped[0]);
    write_all!("dbgwvr", "dbgwcr", watchpoints, skipped[1]);
}
