//! A load or store that exited, as the core described it, and how its value meets a register.
//!
//! Only single-register accesses are described by the architecture (ISV = 1); pairs, vectors and
//! write-back forms are not, and have no [`Access`].

use crate::registers::Registers;
use unimux_text::texts;

/// Width of an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// 8 bits.
    Byte,
    /// 16 bits.
    Halfword,
    /// 32 bits.
    Word,
    /// 64 bits.
    Doubleword,
}

impl Size {
    /// The size with this SAS encoding, of which the low two bits count.
    #[must_use]
    pub(crate) const fn from_sas(sas: u8) -> Self {
        match sas & 0b11 {
            0b00 => Self::Byte,
            0b01 => Self::Halfword,
            0b10 => Self::Word,
            _ => Self::Doubleword,
        }
    }

    /// Width in bytes: 1, 2, 4 or 8.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Byte => 1,
            Self::Halfword => 2,
            Self::Word => 4,
            Self::Doubleword => 8,
        }
    }

    /// `value` reduced to this width.
    #[must_use]
    pub const fn truncate(self, value: u64) -> u64 {
        value & (u64::MAX >> (64 - 8 * self.bytes()))
    }

    /// `value` of this width, its sign bit repeated up to bit 63.
    #[must_use]
    const fn sign_extend(self, value: u64) -> u64 {
        let unused = 64 - 8 * self.bytes();
        ((value << unused).cast_signed() >> unused).cast_unsigned()
    }
}

/// Which way the data goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// A load.
    Read,
    /// A store.
    Write,
}

texts!(Direction {
    Self::Read => "read";
    Self::Write => "write";
});

/// A single-register load or store (DDI 0487 D24.2, ESR_EL2, data abort ISS with ISV = 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// SAS: how wide.
    pub size: Size,
    /// WnR: which way.
    pub direction: Direction,
    /// SRT: the register, 31 for `xzr`.
    pub register: u8,
    /// SSE: a load extends the sign.
    pub sign_extend: bool,
    /// SF: the register is an X register; else W, and a load clears its upper half.
    pub sixty_four: bool,
    /// AR: a load-acquire or store-release.
    pub ordered: bool,
}

impl Access {
    /// The value that a store carries, reduced to its width.
    #[must_use]
    pub fn stored_value(&self, registers: &Registers) -> u64 {
        self.size.truncate(registers.get(self.register))
    }

    /// Completes a load: puts `value` into its register as the instruction would.
    pub fn complete_load(&self, registers: &mut Registers, value: u64) {
        registers.set(self.register, self.loaded_value(value));
    }

    /// What a load leaves in its register when the device answers `value`.
    #[must_use]
    pub const fn loaded_value(&self, value: u64) -> u64 {
        let value = self.size.truncate(value);
        let value = if self.sign_extend {
            self.size.sign_extend(value)
        } else {
            value
        };
        if self.sixty_four {
            value
        } else {
            Size::Word.truncate(value)
        }
    }
}

impl Access {
    const fn register_name(self) -> RegisterName {
        match (self.sixty_four, self.register) {
            (true, 31) => RegisterName::Xzr,
            (false, 31) => RegisterName::Wzr,
            (true, number) => RegisterName::X(number),
            (false, number) => RegisterName::W(number),
        }
    }
}

/// A general-purpose register as an assembler calls it.
#[derive(Clone, Copy)]
enum RegisterName {
    Xzr,
    Wzr,
    X(u8),
    W(u8),
}

texts!(RegisterName {
    Self::Xzr => "xzr";
    Self::Wzr => "wzr";
    Self::X(number) => "x{}", number;
    Self::W(number) => "w{}", number;
});

texts!(Access {
    it => "{} of {} bytes, {}", it.direction, it.size.bytes(), it.register_name();
});

#[cfg(test)]
mod tests {
    use super::*;

    fn load(size: Size, sign_extend: bool, sixty_four: bool) -> Access {
        Access {
            size,
            direction: Direction::Read,
            register: 3,
            sign_extend,
            sixty_four,
            ordered: false,
        }
    }

    #[test]
    fn a_load_leaves_what_the_instruction_would() {
        let answer = 0x1234_5678_9ABC_DEF0;
        let cases = [
            ("ldrb w", load(Size::Byte, false, false), 0xF0),
            ("ldrsb w", load(Size::Byte, true, false), 0xFFFF_FFF0),
            (
                "ldrsb x",
                load(Size::Byte, true, true),
                0xFFFF_FFFF_FFFF_FFF0,
            ),
            ("ldrh w", load(Size::Halfword, false, false), 0xDEF0),
            ("ldrsh w", load(Size::Halfword, true, false), 0xFFFF_DEF0),
            (
                "ldrsh x",
                load(Size::Halfword, true, true),
                0xFFFF_FFFF_FFFF_DEF0,
            ),
            ("ldr w", load(Size::Word, false, false), 0x9ABC_DEF0),
            (
                "ldrsw x",
                load(Size::Word, true, true),
                0xFFFF_FFFF_9ABC_DEF0,
            ),
            ("ldr x", load(Size::Doubleword, false, true), answer),
        ];
        for (instruction, access, expected) in cases {
            let mut registers = Registers([u64::MAX; 31]);
            access.complete_load(&mut registers, answer);
            assert_eq!(registers.get(3), expected, "{instruction}");
            assert_eq!(
                registers.get(2),
                u64::MAX,
                "{instruction} touches its neighbour"
            );
        }
    }

    #[test]
    fn a_store_carries_its_width_and_xzr_carries_zero() {
        let registers = Registers([0x1122_3344_5566_7788; 31]);
        let store = |size, register| Access {
            direction: Direction::Write,
            register,
            ..load(size, false, false)
        };
        assert_eq!(store(Size::Byte, 0).stored_value(&registers), 0x88);
        assert_eq!(store(Size::Halfword, 0).stored_value(&registers), 0x7788);
        assert_eq!(store(Size::Word, 0).stored_value(&registers), 0x5566_7788);
        assert_eq!(
            store(Size::Doubleword, 30).stored_value(&registers),
            0x1122_3344_5566_7788
        );
        assert_eq!(store(Size::Doubleword, 31).stored_value(&registers), 0);
    }

    #[test]
    fn a_load_to_xzr_is_lost() {
        let mut registers = Registers::default();
        let access = Access {
            register: 31,
            ..load(Size::Doubleword, false, true)
        };
        access.complete_load(&mut registers, u64::MAX);
        assert_eq!(registers, Registers::default());
    }
}
