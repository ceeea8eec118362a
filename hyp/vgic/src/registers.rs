//! The registers that have one bit, byte or bit pair per interrupt.
//!
//! Offsets are the same in the distributors of both versions (IHI 0048B, 4.1.2; IHI 0069, 12.9) and
//! in a redistributor, there from SGI_base (IHI 0069, 12.11).

use crate::intid::Intid;

/// A register of a bank of 32 interrupts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BankRegister {
    /// IGROUPR: 1 is group 1.
    Group,
    /// ISENABLER.
    SetEnable,
    /// ICENABLER.
    ClearEnable,
    /// ISPENDR.
    SetPending,
    /// ICPENDR.
    ClearPending,
    /// ISACTIVER.
    SetActive,
    /// ICACTIVER.
    ClearActive,
    /// IPRIORITYR: the word of four interrupts, 0 to 7.
    Priority(usize),
    /// ICFGR: the half of 16 interrupts, 0 or 1.
    Configuration(usize),
}

/// The first IPRIORITYR, whose registers take byte accesses.
const PRIORITY: u64 = 0x400;
const PRIORITY_END: u64 = 0x800;

/// The bank and register at a word-aligned offset, or `None` where there is neither. Banks are
/// counted from 0, the private interrupts, which a GICv3 has in its redistributors alone.
pub(crate) fn decode(offset: u64) -> Option<(usize, BankRegister)> {
    let of_bits = |base: u64| ((offset - base) / 4) as usize;
    let register = match offset {
        0x080..0x100 => (of_bits(0x080), BankRegister::Group),
        0x100..0x180 => (of_bits(0x100), BankRegister::SetEnable),
        0x180..0x200 => (of_bits(0x180), BankRegister::ClearEnable),
        0x200..0x280 => (of_bits(0x200), BankRegister::SetPending),
        0x280..0x300 => (of_bits(0x280), BankRegister::ClearPending),
        0x300..0x380 => (of_bits(0x300), BankRegister::SetActive),
        0x380..0x400 => (of_bits(0x380), BankRegister::ClearActive),
        PRIORITY..PRIORITY_END => {
            let word = of_bits(PRIORITY);
            (word / 8, BankRegister::Priority(word % 8))
        }
        0xC00..0xD00 => {
            let half = of_bits(0xC00);
            (half / 2, BankRegister::Configuration(half % 2))
        }
        _ => return None,
    };
    Some(register)
}

/// The interrupt whose priority byte lies at `offset`, counted from the first of the frame.
pub(crate) fn priority_byte(offset: u64) -> Option<usize> {
    (PRIORITY..PRIORITY_END)
        .contains(&offset)
        .then(|| (offset - PRIORITY) as usize)
}

/// GICD_IIDR and GICR_IIDR: ProductID 'U'. Implementer 0, for the JEP106 codes are companies'.
pub(crate) const IIDR: u32 = (b'U' as u32) << 24;

/// Bank, counted among the shared ones, and index of the shared interrupt `number`.
pub(crate) fn shared_intid(number: usize) -> Option<(usize, usize)> {
    let intid = Intid::new(u32::try_from(number).ok()?)?;
    Some((intid.shared_bank()?, intid.in_bank()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_those_of_the_manual() {
        let cases = [
            (0x084, Some((1, BankRegister::Group))),
            (0x100, Some((0, BankRegister::SetEnable))),
            (0x188, Some((2, BankRegister::ClearEnable))),
            (0x204, Some((1, BankRegister::SetPending))),
            (0x280, Some((0, BankRegister::ClearPending))),
            (0x37C, Some((31, BankRegister::SetActive))),
            (0x380, Some((0, BankRegister::ClearActive))),
            (0x41C, Some((0, BankRegister::Priority(7)))),
            (0x420, Some((1, BankRegister::Priority(0)))),
            (0xC00, Some((0, BankRegister::Configuration(0)))),
            (0xC0C, Some((1, BankRegister::Configuration(1)))),
            (0x07C, None),
            (0x800, None),
            (0xD00, None),
            (0xFFE8, None),
        ];
        for (offset, expected) in cases {
            assert_eq!(decode(offset), expected, "{offset:#x}");
        }
        assert_eq!(priority_byte(0x45F), Some(95));
        assert_eq!(priority_byte(0x800), None);
    }
}
