//! PSCI as guests call it: the functions that Unimux serves (DEN0022, issue F.b).
//!
//! It keeps no power state. A function that is not served is [`ErrorCode::NotSupported`]; numbers
//! and checks are held against the crate `arm-psci` by the tests.

/// A call, with arguments that are in range. 32-bit calls have 32-bit arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// PSCI_VERSION (5.1.1).
    Version,
    /// CPU_SUSPEND (5.1.2) into the one state that there is: standby of a core, power_state 0 in the
    /// original format (5.4.2). The entry point is for states that lose the core's registers.
    CpuStandby,
    /// CPU_OFF (5.1.3).
    CpuOff,
    /// CPU_ON (5.1.4).
    CpuOn {
        /// The core: affinity fields as in MPIDR_EL1.
        target: u64,
        /// Where it starts.
        entry: u64,
        /// What it finds in x0.
        context: u64,
    },
    /// AFFINITY_INFO (5.1.5).
    AffinityInfo {
        /// The core: affinity fields as in MPIDR_EL1.
        target: u64,
        /// The lowest affinity level that counts.
        lowest_level: u32,
    },
    /// MIGRATE_INFO_TYPE (5.1.7).
    MigrateInfoType,
    /// SYSTEM_OFF (5.1.9).
    SystemOff,
    /// SYSTEM_RESET (5.1.11).
    SystemReset,
    /// PSCI_FEATURES (5.1.15).
    Features {
        /// The function asked about.
        function: u32,
    },
}

/// What a call is answered with when it fails (5.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub enum ErrorCode {
    /// The function is not served.
    NotSupported = -1,
    /// An argument is out of range.
    InvalidParameters = -2,
    /// The core is on.
    AlreadyOn = -4,
    /// The core is being started by another call.
    OnPending = -5,
    /// The entry point is none.
    InvalidAddress = -9,
}

/// Bit 30 of an identifier: arguments are 64 bits wide.
const SIXTY_FOUR: u32 = 1 << 30;

const VERSION: u32 = 0x8400_0000;
const CPU_SUSPEND: u32 = 0x8400_0001;
const CPU_SUSPEND_64: u32 = CPU_SUSPEND | SIXTY_FOUR;
const CPU_OFF: u32 = 0x8400_0002;
const CPU_ON: u32 = 0x8400_0003;
const CPU_ON_64: u32 = CPU_ON | SIXTY_FOUR;
const AFFINITY_INFO: u32 = 0x8400_0004;
const AFFINITY_INFO_64: u32 = AFFINITY_INFO | SIXTY_FOUR;
const MIGRATE_INFO_TYPE: u32 = 0x8400_0006;
const SYSTEM_OFF: u32 = 0x8400_0008;
const SYSTEM_RESET: u32 = 0x8400_0009;
const FEATURES: u32 = 0x8400_000a;

/// SMCCC_VERSION, about which PSCI_FEATURES can be asked.
const SMCCC_VERSION: u32 = 0x8000_0000;

/// The bits of MPIDR_EL1 beside the affinity fields: RES1 (31), U (30), MT (24). PSCI wants them
/// zero (5.1.4) and guests that pass MPIDR_EL1 as they read it get them wrong; no two cores differ
/// in them, so they are taken away rather than refused. Other stray bits are refused.
const MPIDR_NOT_AFFINITY: u64 = 1 << 31 | 1 << 30 | 1 << 24;

/// Aff3 and Aff2 to Aff0.
const AFFINITY: u64 = 0xff_00ff_ffff;

impl Function {
    /// The call `function` with x1 to x3.
    pub(crate) fn decode(function: u32, arguments: [u64; 3]) -> Result<Self, ErrorCode> {
        let is_wide = function & SIXTY_FOUR != 0;
        let mask = if is_wide { u64::MAX } else { 0xffff_ffff };
        let [first, second, third] = arguments.map(|it| it & mask);
        let affinity = || match first & !MPIDR_NOT_AFFINITY {
            // Narrow calls have no Aff3, which the mask has seen to.
            target if target & !AFFINITY == 0 => Ok(target),
            _ => Err(ErrorCode::InvalidParameters),
        };
        Ok(match function {
            VERSION => Self::Version,
            // power_state is 32 bits wide in both.
            CPU_SUSPEND | CPU_SUSPEND_64 if first as u32 == 0 => Self::CpuStandby,
            CPU_SUSPEND | CPU_SUSPEND_64 => return Err(ErrorCode::InvalidParameters),
            CPU_OFF => Self::CpuOff,
            CPU_ON | CPU_ON_64 => Self::CpuOn {
                target: affinity()?,
                entry: second,
                context: third,
            },
            AFFINITY_INFO | AFFINITY_INFO_64 => {
                let lowest_level = second as u32;
                if lowest_level > 2 + u32::from(is_wide) {
                    return Err(ErrorCode::InvalidParameters);
                }
                Self::AffinityInfo {
                    target: affinity()?,
                    lowest_level,
                }
            }
            MIGRATE_INFO_TYPE => Self::MigrateInfoType,
            SYSTEM_OFF => Self::SystemOff,
            SYSTEM_RESET => Self::SystemReset,
            FEATURES => Self::Features {
                function: first as u32,
            },
            _ => return Err(ErrorCode::NotSupported),
        })
    }

    /// Whether PSCI_FEATURES says of `function` that it is there.
    #[must_use]
    pub const fn is_served(function: u32) -> bool {
        matches!(
            function,
            VERSION
                | CPU_SUSPEND
                | CPU_SUSPEND_64
                | CPU_OFF
                | CPU_ON
                | CPU_ON_64
                | AFFINITY_INFO
                | AFFINITY_INFO_64
                | MIGRATE_INFO_TYPE
                | SYSTEM_OFF
                | SYSTEM_RESET
                | FEATURES
                | SMCCC_VERSION
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arm_psci::{EntryPoint, PowerState};
    use proptest::prelude::*;

    /// What another reader of the specification makes of the same call, where it is served here.
    fn oracle(function: u32, [first, second, third]: [u64; 3]) -> Result<Function, ErrorCode> {
        use arm_psci::Function as Other;
        let takes_affinity = matches!(function & !SIXTY_FOUR, CPU_ON | AFFINITY_INFO);
        let first = if takes_affinity {
            first & !MPIDR_NOT_AFFINITY
        } else {
            first
        };
        let words = [u64::from(function), first, second, third];
        let other = match Other::try_from(&words) {
            Ok(other) => other,
            Err(error) => {
                return Err(match arm_psci::ErrorCode::from(error) {
                    arm_psci::ErrorCode::InvalidParameters => ErrorCode::InvalidParameters,
                    _ => ErrorCode::NotSupported,
                });
            }
        };
        Ok(match other {
            Other::Version => Function::Version,
            Other::CpuSuspend {
                state: PowerState::StandbyOrRetention(0),
                ..
            } => Function::CpuStandby,
            Other::CpuSuspend { .. } => return Err(ErrorCode::InvalidParameters),
            Other::CpuOff => Function::CpuOff,
            Other::CpuOn { target_cpu, entry } => Function::CpuOn {
                target: target_cpu.into(),
                entry: entry.entry_point_address(),
                context: match entry {
                    EntryPoint::Entry32 { context_id, .. } => u64::from(context_id),
                    EntryPoint::Entry64 { context_id, .. } => context_id,
                },
            },
            Other::AffinityInfo {
                mpidr,
                lowest_affinity_level,
            } => Function::AffinityInfo {
                target: mpidr.into(),
                lowest_level: lowest_affinity_level,
            },
            Other::MigrateInfoType => Function::MigrateInfoType,
            Other::SystemOff => Function::SystemOff,
            Other::SystemReset => Function::SystemReset,
            _ => return Err(ErrorCode::NotSupported),
        })
    }

    fn number() -> impl Strategy<Value = u32> {
        (0u32..0x20, any::<bool>()).prop_map(|(number, is_wide)| {
            0x8400_0000 | number | if is_wide { SIXTY_FOUR } else { 0 }
        })
    }

    proptest! {
        #[test]
        fn calls_are_what_arm_psci_makes_of_them(
            function in number(),
            arguments: [u64; 3],
            narrow: [u8; 3],
            shift in 0u32..40,
        ) {
            let [_, second, third] = arguments;
            let narrow = narrow.map(|it| u64::from(it) << shift);
            for arguments in [arguments, narrow, [0, second, third]] {
                let decoded = Function::decode(function, arguments);
                let is_served = Function::is_served(function);
                if is_served && function != FEATURES {
                    prop_assert_eq!(decoded, oracle(function, arguments));
                }
                prop_assert_eq!(is_served, decoded != Err(ErrorCode::NotSupported));
            }
        }
    }

    #[test]
    fn error_codes_are_those_of_the_specification() {
        use arm_psci::ErrorCode as Other;
        let pairs = [
            (ErrorCode::NotSupported, Other::NotSupported),
            (ErrorCode::InvalidParameters, Other::InvalidParameters),
            (ErrorCode::AlreadyOn, Other::AlreadyOn),
            (ErrorCode::OnPending, Other::OnPending),
            (ErrorCode::InvalidAddress, Other::InvalidAddress),
        ];
        for (own, other) in pairs {
            assert_eq!(crate::psci_result(Err(own)), u64::from(other));
        }
    }
}
