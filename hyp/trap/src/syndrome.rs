//! `ESR_EL2`: the class of an exception and 25 bits that depend on it.
//!
//! Only the layout is here; what each class means to Unimux is in [`crate::Exit`].

use bitfield_struct::bitfield;

/// `ESR_EL2`, DDI 0487 D24.2 (Exception Syndrome Register, EL2).
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct Syndrome {
    /// Instruction-specific syndrome; its layout depends on the class.
    #[bits(25)]
    pub iss: u32,
    /// IL: 1 for a 32-bit instruction, 0 for a 16-bit one.
    pub long_instruction: bool,
    /// EC, the exception class.
    #[bits(6)]
    pub class: ExceptionClass,
    /// ISS2, of extensions later than ARMv8.0.
    #[bits(24)]
    pub iss2: u32,
    #[bits(8)]
    __: u8,
}

/// EC, `ESR_EL2[31:26]`. Every one of the 64 values exists; those that an AArch64 guest on an
/// ARMv8-A core can cause have a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExceptionClass(u8);

impl ExceptionClass {
    /// No class of its own: an undefined instruction, or one that EL2 disables.
    pub const UNKNOWN: Self = Self(0x00);
    /// WFI or WFE.
    pub const WFX: Self = Self(0x01);
    /// Use of SVE, Advanced SIMD or floating point that `CPTR_EL2` forbids.
    pub const FLOATING_POINT: Self = Self(0x07);
    /// An illegal execution state, `PSTATE.IL`.
    pub const ILLEGAL_STATE: Self = Self(0x0E);
    /// HVC from AArch64.
    pub const HVC64: Self = Self(0x16);
    /// SMC from AArch64, with `HCR_EL2.TSC`.
    pub const SMC64: Self = Self(0x17);
    /// MSR, MRS or a system instruction from AArch64.
    pub const SYSTEM_REGISTER: Self = Self(0x18);
    /// Use of SVE that `CPTR_EL2` forbids.
    pub const SVE: Self = Self(0x19);
    /// An instruction abort from a lower exception level.
    pub const INSTRUCTION_ABORT_LOWER: Self = Self(0x20);
    /// An instruction abort of EL2 itself.
    pub const INSTRUCTION_ABORT_SAME: Self = Self(0x21);
    /// A misaligned program counter.
    pub const PC_ALIGNMENT: Self = Self(0x22);
    /// A data abort from a lower exception level.
    pub const DATA_ABORT_LOWER: Self = Self(0x24);
    /// A data abort of EL2 itself.
    pub const DATA_ABORT_SAME: Self = Self(0x25);
    /// A misaligned stack pointer.
    pub const SP_ALIGNMENT: Self = Self(0x26);
    /// An SError interrupt.
    pub const SERROR: Self = Self(0x2F);
    /// BRK from AArch64.
    pub const BRK64: Self = Self(0x3C);

    /// The class `value`, of which the low six bits count.
    #[must_use]
    pub const fn new(value: u8) -> Self {
        Self(value & 0x3F)
    }

    /// The class as a number, 0 to 63.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Whether it is an instruction that EL2's controls trap, as opposed to one that fails: classes up
    /// to 0x1f but for an illegal state (DDI 0487 D24.2, ESR_EL2.EC). Among them are those by which EL0
    /// in AArch32 reaches coprocessors.
    #[must_use]
    pub const fn is_trapped_instruction(self) -> bool {
        self.0 < 0x20 && self.0 != Self::ILLEGAL_STATE.0
    }

    const fn from_bits(value: u8) -> Self {
        Self::new(value)
    }

    const fn into_bits(self) -> u8 {
        self.0
    }

    /// What the manual calls it, in short, for reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UNKNOWN => "unknown reason",
            Self::WFX => "WFI or WFE",
            Self::FLOATING_POINT => "trapped floating point",
            Self::ILLEGAL_STATE => "illegal execution state",
            Self::HVC64 => "HVC",
            Self::SMC64 => "SMC",
            Self::SYSTEM_REGISTER => "trapped system register",
            Self::SVE => "trapped SVE",
            Self::INSTRUCTION_ABORT_LOWER => "instruction abort",
            Self::INSTRUCTION_ABORT_SAME => "instruction abort at EL2",
            Self::PC_ALIGNMENT => "misaligned PC",
            Self::DATA_ABORT_LOWER => "data abort",
            Self::DATA_ABORT_SAME => "data abort at EL2",
            Self::SP_ALIGNMENT => "misaligned SP",
            Self::SERROR => "SError",
            Self::BRK64 => "BRK",
            _ => "exception",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_lie_where_the_manual_puts_them() {
        let syndrome = Syndrome::from_bits(0x9382_0046);
        assert_eq!(syndrome.class(), ExceptionClass::DATA_ABORT_LOWER);
        assert!(syndrome.long_instruction());
        assert_eq!(syndrome.iss(), 0x0182_0046);
        assert_eq!(syndrome.iss2(), 0);
        assert_eq!(Syndrome::from_bits(u64::MAX).class().get(), 0x3F);
        assert_eq!(Syndrome::from_bits(0x1_0000_0000).iss2(), 1);
    }
}
