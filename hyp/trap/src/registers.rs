//! A guest's general-purpose registers, as an instruction names them.
//!
//! It knows no stack pointer: in the instructions that exit, register 31 is always zero.

/// The register number that reads as zero and ignores writes: `xzr`.
pub const ZERO_REGISTER: u8 = 31;

/// `x0` to `x30` of a stopped vCPU.
///
/// Transparent, so that the trap frame of the EL2 crate can hold one where its vectors save
/// `x0` to `x30` one after the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct Registers(pub [u64; 31]);

impl Registers {
    /// Reads register `number`; 31, and any number that does not exist, is zero.
    #[must_use]
    pub fn get(&self, number: u8) -> u64 {
        self.0.get(usize::from(number)).copied().unwrap_or(0)
    }

    /// Writes register `number`; a write to 31, or to a number that does not exist, is lost.
    pub fn set(&mut self, number: u8, value: u64) {
        if let Some(register) = self.0.get_mut(usize::from(number)) {
            *register = value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn register_31_is_zero_whatever_is_written_to_it() {
        let mut registers = Registers([7; 31]);
        registers.set(ZERO_REGISTER, 1);
        registers.set(255, 1);
        assert_eq!(registers.get(ZERO_REGISTER), 0);
        assert_eq!(registers.get(255), 0);
        assert_eq!(registers, Registers([7; 31]));
        registers.set(30, 9);
        assert_eq!(registers.get(30), 9);
    }
}
