//! The fault status code: why a translation or access was refused.
//!
//! The same six bits for data aborts (DFSC) and instruction aborts (IFSC), DDI 0487 D24.2,
//! ESR_EL2, "ISS encoding for an exception from a Data Abort". Codes of extensions later than
//! ARMv8.0 are kept as numbers.

use unimux_text::texts;

/// A fault status code. `level` is the level of the walk, 0 to 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultStatus {
    /// An address of the walk or its output is out of range.
    AddressSize {
        /// Where the walk stood.
        level: u8,
    },
    /// An invalid descriptor: nothing is mapped there.
    Translation {
        /// Where the walk stood.
        level: u8,
    },
    /// The access flag is clear; Unimux always sets it.
    AccessFlag {
        /// Where the walk stood.
        level: u8,
    },
    /// The descriptor forbids this kind of access.
    Permission {
        /// Where the walk stood.
        level: u8,
    },
    /// The memory system refused the access itself.
    External,
    /// The memory system refused a load of the walk.
    ExternalOnWalk {
        /// Where the walk stood.
        level: u8,
    },
    /// The access is not aligned as its memory type asks.
    Alignment,
    /// Two TLB entries for one address: break-before-make was broken.
    TlbConflict,
    /// Anything else, as the raw code.
    Other(u8),
}

impl FaultStatus {
    /// The status `code`, of which the low six bits count.
    #[must_use]
    pub const fn new(code: u8) -> Self {
        let code = code & 0x3F;
        let level = code & 0b11;
        match code {
            0b00_0000..=0b00_0011 => Self::AddressSize { level },
            0b00_0100..=0b00_0111 => Self::Translation { level },
            0b00_1000..=0b00_1011 => Self::AccessFlag { level },
            0b00_1100..=0b00_1111 => Self::Permission { level },
            0b01_0000 => Self::External,
            0b01_0100..=0b01_0111 => Self::ExternalOnWalk { level },
            0b10_0001 => Self::Alignment,
            0b11_0000 => Self::TlbConflict,
            _ => Self::Other(code),
        }
    }

    /// Whether `HPFAR_EL2` holds an address after a stage-2 fault with this status: it does for
    /// translation, access flag and address size faults, and is UNKNOWN for others unless the
    /// fault was on a stage-1 walk (DDI 0487 D24.2, HPFAR_EL2).
    #[must_use]
    pub const fn names_ipa(self) -> bool {
        matches!(
            self,
            Self::AddressSize { .. } | Self::Translation { .. } | Self::AccessFlag { .. }
        )
    }
}

texts!(FaultStatus {
    Self::AddressSize { level } => "address size fault level {}", level;
    Self::Translation { level } => "translation fault level {}", level;
    Self::AccessFlag { level } => "access flag fault level {}", level;
    Self::Permission { level } => "permission fault level {}", level;
    Self::External => "external abort";
    Self::ExternalOnWalk { level } => "external abort on walk level {}", level;
    Self::Alignment => "alignment fault";
    Self::TlbConflict => "TLB conflict";
    Self::Other(code) => "fault status {:#04x}", code;
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_manual() {
        let cases = [
            (0b00_0000, FaultStatus::AddressSize { level: 0 }),
            (0b00_0110, FaultStatus::Translation { level: 2 }),
            (0b00_1011, FaultStatus::AccessFlag { level: 3 }),
            (0b00_1111, FaultStatus::Permission { level: 3 }),
            (0b01_0000, FaultStatus::External),
            (0b01_0001, FaultStatus::Other(0b01_0001)),
            (0b01_0101, FaultStatus::ExternalOnWalk { level: 1 }),
            (0b10_0001, FaultStatus::Alignment),
            (0b11_0000, FaultStatus::TlbConflict),
            (0b11_0101, FaultStatus::Other(0b11_0101)),
        ];
        for (code, expected) in cases {
            assert_eq!(FaultStatus::new(code), expected, "{code:#08b}");
        }
    }
}
