//! Calls a guest makes by HVC or SMC: SMCCC, PSCI, TRNG and Unimux's own.
//!
//! It serves none of them. `Unknown` is answered [`NOT_SUPPORTED`], never ignored and never
//! forwarded to the firmware below Unimux.

use crate::psci::{ErrorCode, Function};
use crate::registers::Registers;
use crate::trng;
use bitfield_struct::bitfield;

/// The answer to a call that nobody knows: -1 as a 64-bit number (SMCCC, DEN0028, 7.1; the same
/// value as PSCI's, DEN0022, 5.2.2). A 32-bit caller reads -1 in its W register.
pub const NOT_SUPPORTED: u64 = u64::MAX;

/// SMCCC version 1.1, as `SMCCC_VERSION` answers it (DEN0028, 7.2): the first with ARCH_FEATURES.
pub const SMCCC_1_1: u64 = 0x1_0001;

/// A function identifier, DEN0028, 2.4.
#[bitfield(u32)]
struct FunctionIdentifier {
    /// The function of its service.
    number: u16,
    /// Zero in fast calls but for the SVE hint, bit 16, of SMCCC 1.3.
    #[bits(8)]
    must_be_zero: u8,
    /// The service: an owner number.
    #[bits(6)]
    owner: u8,
    /// Whether arguments are 64 bits wide.
    sixty_four: bool,
    /// Not interruptible; yielding calls are for trusted operating systems.
    fast: bool,
}

/// Owner 0: architecture calls.
const OWNER_ARCHITECTURE: u8 = 0;
/// Owner 4: standard secure services, PSCI among them.
const OWNER_STANDARD: u8 = 4;
/// Owner 6: services of the hypervisor's vendor.
const OWNER_HYPERVISOR: u8 = 6;

const SMCCC_VERSION: u16 = 0;
const SMCCC_ARCH_FEATURES: u16 = 1;
/// PSCI has the first 32 numbers of the standard service, in both widths (DEN0022, 5.1).
const PSCI_NUMBERS: u16 = 0x20;
const CALL_COUNT: u16 = 0xFF00;
const CALL_UID: u16 = 0xFF01;
const CALL_REVISION: u16 = 0xFF03;

/// What a guest asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// A PSCI function with valid arguments.
    Psci(Function),
    /// A PSCI call to be answered with this error: an unknown function, or arguments out of range.
    PsciRefused(ErrorCode),
    /// A call for random numbers, or an error to answer it with.
    Trng(Result<trng::Function, ErrorCode>),
    /// SMCCC_VERSION; answer [`SMCCC_1_1`] or later.
    SmcccVersion,
    /// SMCCC_ARCH_FEATURES: is the architecture call `function` there? Answer 0 for
    /// SMCCC_VERSION and SMCCC_ARCH_FEATURES themselves, else [`NOT_SUPPORTED`].
    ArchFeatures {
        /// The function identifier asked about.
        function: u32,
    },
    /// Number of calls of the vendor's service.
    VendorCallCount,
    /// Unique identifier of the vendor's service, answered in w0 to w3.
    VendorUid,
    /// Revision of the vendor's service: major in w0, minor in w1.
    VendorRevision,
    /// A call of the vendor's own.
    Vendor {
        /// The whole function identifier.
        function: u32,
        /// x1 to x6; the upper halves are zero in a 32-bit call.
        arguments: [u64; 6],
    },
    /// Nothing known: answer [`NOT_SUPPORTED`].
    Unknown {
        /// The function identifier, w0.
        function: u32,
    },
}

impl Call {
    /// Decodes a call with immediate 0. Arguments of a 32-bit call are the W registers: what a
    /// guest leaves in the upper halves has no influence.
    #[must_use]
    pub fn decode(registers: &Registers) -> Self {
        // SMCCC: the identifier is W0.
        let function = (registers.get(0) & 0xFFFF_FFFF) as u32;
        let identifier = FunctionIdentifier::from_bits(function);
        let unknown = Self::Unknown { function };
        if !identifier.fast() || identifier.must_be_zero() != 0 {
            return unknown;
        }
        match (identifier.owner(), identifier.number()) {
            (OWNER_STANDARD, number) if number < PSCI_NUMBERS => {
                let arguments = [1, 2, 3].map(|number| registers.get(number));
                match Function::decode(function, arguments) {
                    Ok(function) => Self::Psci(function),
                    Err(error) => Self::PsciRefused(error),
                }
            }
            (OWNER_STANDARD, _) => {
                trng::Function::decode(function, registers.get(1)).map_or(unknown, Self::Trng)
            }
            (OWNER_ARCHITECTURE | OWNER_HYPERVISOR, _) => {
                Self::general(identifier, registers).unwrap_or(unknown)
            }
            _ => unknown,
        }
    }

    fn general(identifier: FunctionIdentifier, registers: &Registers) -> Option<Self> {
        let owner = identifier.owner();
        if owner == OWNER_HYPERVISOR && identifier.number() < CALL_COUNT {
            return Some(Self::vendor(identifier, registers));
        }
        if identifier.sixty_four() {
            return None;
        }
        match (owner, identifier.number()) {
            (OWNER_ARCHITECTURE, SMCCC_VERSION) => Some(Self::SmcccVersion),
            (OWNER_ARCHITECTURE, SMCCC_ARCH_FEATURES) => Some(Self::ArchFeatures {
                function: (registers.get(1) & 0xFFFF_FFFF) as u32,
            }),
            (OWNER_HYPERVISOR, CALL_COUNT) => Some(Self::VendorCallCount),
            (OWNER_HYPERVISOR, CALL_UID) => Some(Self::VendorUid),
            (OWNER_HYPERVISOR, CALL_REVISION) => Some(Self::VendorRevision),
            _ => None,
        }
    }

    fn vendor(identifier: FunctionIdentifier, registers: &Registers) -> Self {
        let mask = if identifier.sixty_four() {
            u64::MAX
        } else {
            0xFFFF_FFFF
        };
        Self::Vendor {
            function: identifier.into_bits(),
            arguments: [1, 2, 3, 4, 5, 6].map(|number| registers.get(number) & mask),
        }
    }
}

/// A PSCI result as it goes into x0: zero, or a negative error code in 64 bits.
#[must_use]
pub fn psci_result(result: Result<(), ErrorCode>) -> u64 {
    match result {
        Ok(()) => 0,
        Err(error) => i64::from(error as i8).cast_unsigned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(words: &[u64]) -> Call {
        let mut registers = Registers([0xDEAD_BEEF_DEAD_BEEF; 31]);
        registers.0[..words.len()].copy_from_slice(words);
        Call::decode(&registers)
    }

    #[test]
    fn cpu_on_takes_a_raw_mpidr() {
        let expected = Call::Psci(Function::CpuOn {
            target: 3,
            entry: 0x4020_0000,
            context: 7,
        });
        for target in [0x3, 0x8000_0003, 0xC000_0003, 0x8100_0003] {
            assert_eq!(call(&[0xC400_0003, target, 0x4020_0000, 7]), expected);
        }
        for target in [0x1_0000_0000_0003_u64 << 8, 0x0200_0003, u64::MAX] {
            assert_eq!(
                call(&[0xC400_0003, target, 0x4020_0000, 7]),
                Call::PsciRefused(ErrorCode::InvalidParameters),
                "{target:#x}"
            );
        }
    }

    #[test]
    fn calls_are_what_their_specifications_say() {
        let cases: &[(&[u64], Call)] = &[
            (&[0x8400_0000], Call::Psci(Function::Version)),
            (&[0x8400_0002], Call::Psci(Function::CpuOff)),
            (&[0x8400_0008], Call::Psci(Function::SystemOff)),
            (&[0x8400_0009], Call::Psci(Function::SystemReset)),
            // The upper half of x0 is not part of the identifier.
            (&[0xFFFF_FFFF_8400_0009], Call::Psci(Function::SystemReset)),
            (
                &[0x8400_000A, 0x8000_0000],
                Call::Psci(Function::Features {
                    function: 0x8000_0000,
                }),
            ),
            (&[0x8400_001F], Call::PsciRefused(ErrorCode::NotSupported)),
            // SYSTEM_OFF has no 64-bit form.
            (&[0xC400_0008], Call::PsciRefused(ErrorCode::NotSupported)),
            (&[0x8400_0050], Call::Trng(Ok(trng::Function::Version))),
            (
                &[0xC400_0053, 193],
                Call::Trng(Err(ErrorCode::InvalidParameters)),
            ),
            (&[0x8000_0000], Call::SmcccVersion),
            (
                &[0x8000_0001, 0x8000_8000],
                Call::ArchFeatures {
                    function: 0x8000_8000,
                },
            ),
            (&[0x8600_FF00], Call::VendorCallCount),
            (&[0x8600_FF01], Call::VendorUid),
            (&[0x8600_FF03], Call::VendorRevision),
        ];
        for (words, expected) in cases {
            assert_eq!(call(words), *expected, "{:#x}", words[0]);
        }
    }

    #[test]
    fn what_nobody_serves_is_unknown() {
        let unknown = [
            0x0000_0000, // a yielding call
            0x8400_0020, // beyond PSCI: SDEI's range
            0x8400_0054, // beyond the TRNG
            0x8401_0000, // a bit that must be zero
            0xC000_0000, // SMCCC_VERSION is 32-bit only
            0x8000_8000, // a workaround for a CPU erratum
            0x8200_0000, // SiP service
            0xB200_0000, // trusted OS
            0xC600_FF01, // the UID is 32-bit only
            0x8600_FF02, // reserved
            0xFFFF_FFFF,
        ];
        for function in unknown {
            assert_eq!(call(&[u64::from(function)]), Call::Unknown { function });
        }
    }

    #[test]
    fn a_32_bit_call_has_32_bit_arguments() {
        let garbage = 0xFFFF_FFFF_0000_0000;
        let Call::Vendor { arguments, .. } = call(&[0x8600_0001, garbage | 5]) else {
            panic!("a vendor call");
        };
        assert_eq!(arguments[0], 5);
        assert_eq!(arguments[1], 0xDEAD_BEEF);
        let Call::Vendor {
            function,
            arguments,
        } = call(&[0xC600_0001, garbage | 5])
        else {
            panic!("a vendor call");
        };
        assert_eq!((function, arguments[0]), (0xC600_0001, garbage | 5));
    }

    #[test]
    fn results_are_negative_in_64_bits() {
        assert_eq!(psci_result(Ok(())), 0);
        assert_eq!(psci_result(Err(ErrorCode::NotSupported)), NOT_SUPPORTED);
        assert_eq!(
            psci_result(Err(ErrorCode::AlreadyOn)),
            0xFFFF_FFFF_FFFF_FFFC
        );
    }
}
