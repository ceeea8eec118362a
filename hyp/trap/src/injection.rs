//! What a guest's registers are when EL2 has it take a synchronous exception at EL1.
//!
//! Sources: DDI 0487, AArch64.TakeException in J1.1.2; ESR_ELx in D24.2.

use crate::syndrome::{ExceptionClass, Syndrome};

/// Bits of PSTATE as SPSR_EL1 has them (C5.2.19), for an exception from AArch64.
const CONDITION_FLAGS: u64 = 0xf << 28;
const DATA_INDEPENDENT_TIMING: u64 = 1 << 24;
const PRIVILEGED_ACCESS_NEVER: u64 = 1 << 22;
const SPECULATIVE_STORE_BYPASS_SAFE: u64 = 1 << 12;
/// EL1h, with debug exceptions, SError, IRQ and FIQ masked.
const EL1H_MASKED: u64 = 0x3c5;

/// Bits of SCTLR_EL1: PAN is left alone; SSBS after an exception. Without their extensions they are
/// RES1 and RES0, so that nothing is set that the core has not.
const KEEPS_PAN: u64 = 1 << 23;
const SAFE_BY_DEFAULT: u64 = 1 << 44;

/// Bits of PSTATE that an instruction leaves clear that was carried out: SS, so that a single step
/// ends after it, and BTYPE.
const CLEAR_AFTER_INSTRUCTION: u64 = 1 << 21 | 0b11 << 10;

/// Bits of a data abort's ISS that the injected one has as well: CM, WnR.
const MAINTENANCE_OR_WRITE: u32 = 1 << 8 | 1 << 6;
/// DFSC: synchronous external abort, not on a table walk.
const EXTERNAL_ABORT: u32 = 0x10;

/// PSTATE in EL1's handler of an exception that was taken in the state `spsr`, under `sctlr`
/// (SCTLR_EL1).
#[must_use]
pub const fn handler_state(spsr: u64, sctlr: u64) -> u64 {
    let mut state =
        EL1H_MASKED | spsr & (CONDITION_FLAGS | DATA_INDEPENDENT_TIMING | PRIVILEGED_ACCESS_NEVER);
    if sctlr & KEEPS_PAN == 0 {
        state |= PRIVILEGED_ACCESS_NEVER;
    }
    if sctlr & SAFE_BY_DEFAULT != 0 {
        state |= SPECULATIVE_STORE_BYPASS_SAFE;
    }
    state
}

/// Offset into EL1's vectors of a synchronous exception that was taken in the state `spsr` (D1.3.1).
#[must_use]
pub const fn vector(spsr: u64) -> u64 {
    match spsr & 0x1f {
        // EL1t, EL1h, EL0 in AArch64, EL0 in AArch32.
        0b00100 => 0x000,
        0b00101 => 0x200,
        0b00000 => 0x400,
        _ => 0x600,
    }
}

/// PSTATE after an instruction that EL2 carried out.
#[must_use]
pub const fn after_instruction(spsr: u64) -> u64 {
    spsr & !CLEAR_AFTER_INSTRUCTION
}

/// ESR_EL1 of an undefined instruction.
#[must_use]
pub const fn undefined() -> u64 {
    Syndrome::new()
        .with_class(ExceptionClass::UNKNOWN)
        .with_long_instruction(true)
        .into_bits()
}

/// ESR_EL1 of a synchronous external abort, in the place of the data abort `esr` that came to EL2 in
/// the state `spsr`.
#[must_use]
pub const fn external_abort(esr: u64, spsr: u64) -> u64 {
    let stopped = Syndrome::from_bits(esr);
    let class = match vector(spsr) {
        0x000 | 0x200 => ExceptionClass::DATA_ABORT_SAME,
        _ => ExceptionClass::DATA_ABORT_LOWER,
    };
    Syndrome::new()
        .with_class(class)
        .with_long_instruction(stopped.long_instruction())
        .with_iss(EXTERNAL_ABORT | stopped.iss() & MAINTENANCE_OR_WRITE)
        .into_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// EL1h, and EL0.
    const KERNEL: u64 = 0b00101;
    const USER: u64 = 0b00000;

    #[test]
    fn a_handler_starts_as_the_manual_says() {
        // All flags, DIT, UAO, PAN, SS, IL, SSBS, BTYPE; no masks.
        let busy = 0xf1f0_1c05;
        assert_eq!(handler_state(busy, KEEPS_PAN), 0xf140_03c5);
        assert_eq!(handler_state(KERNEL, KEEPS_PAN), 0x3c5);
        assert_eq!(handler_state(KERNEL, 0), 0x40_03c5, "PAN");
        assert_eq!(
            handler_state(USER, KEEPS_PAN | SAFE_BY_DEFAULT),
            0x13c5,
            "SSBS"
        );
    }

    #[test]
    fn vectors_are_by_where_it_came_from() {
        let of = [0b00100, KERNEL, USER, 0b10000].map(vector);
        assert_eq!(of, [0x000, 0x200, 0x400, 0x600]);
    }

    #[test]
    fn a_step_ends_after_an_instruction_that_el2_carried_out() {
        assert_eq!(after_instruction(0x8020_0c05), 0x8000_0005);
    }

    #[test]
    fn syndromes_are_those_of_the_manual() {
        assert_eq!(undefined(), 0x0200_0000);
        // A pair stored to a device, from EL1: EC 0x24, IL, WnR, translation fault level 3.
        assert_eq!(external_abort(0x9200_0047, KERNEL), 0x9600_0050);
        // One loaded from EL0, and by a 16-bit instruction of AArch32.
        assert_eq!(external_abort(0x9200_0007, USER), 0x9200_0010);
        assert_eq!(external_abort(0x9000_0007, 0b10000), 0x9000_0010);
        // What the core said of the register does not stay: ISV is clear.
        assert_eq!(external_abort(0x93c2_8147, KERNEL), 0x9600_0150);
    }
}
