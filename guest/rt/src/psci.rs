//! Power calls of a guest, by HVC (PSCI, DEN0022). Raw calls for tests; names for programs.

use smccc::psci::{
    PSCI_AFFINITY_INFO_64, PSCI_CPU_OFF, PSCI_CPU_ON_64, PSCI_FEATURES, PSCI_SYSTEM_OFF,
    PSCI_SYSTEM_RESET, PSCI_VERSION,
};
use smccc::{hvc64, smc64};

pub use smccc::psci as numbers;

/// Results of PSCI calls (DEN0022, 5.2.2).
pub mod status {
    /// Done.
    pub const SUCCESS: i64 = 0;
    /// No such function.
    pub const NOT_SUPPORTED: i64 = -1;
    /// An argument names nothing that exists.
    pub const INVALID_PARAMETERS: i64 = -2;
    /// Refused.
    pub const DENIED: i64 = -3;
    /// The vCPU runs already.
    pub const ALREADY_ON: i64 = -4;
    /// The vCPU is being switched on.
    pub const ON_PENDING: i64 = -5;
    /// The entry point is no address the guest could start at.
    pub const INVALID_ADDRESS: i64 = -9;
}

/// What AFFINITY_INFO says of a vCPU (DEN0022, 5.7).
pub mod affinity {
    /// It runs.
    pub const ON: i64 = 0;
    /// It does not.
    pub const OFF: i64 = 1;
    /// It is being switched on.
    pub const ON_PENDING: i64 = 2;
}

fn sign_extended(function: u32, result: u64) -> i64 {
    // A 32-bit call returns its status in w0 (SMCCC, 2.5).
    if function & 1 << 30 == 0 {
        i64::from((result as u32).cast_signed())
    } else {
        result.cast_signed()
    }
}

/// Calls `function` by HVC with three arguments.
pub fn by_hvc(function: u32, arguments: [u64; 3]) -> i64 {
    let mut registers = [0; 17];
    registers[..3].copy_from_slice(&arguments);
    sign_extended(function, hvc64(function, registers)[0])
}

/// Calls `function` by SMC with three arguments.
pub fn by_smc(function: u32, arguments: [u64; 3]) -> i64 {
    let mut registers = [0; 17];
    registers[..3].copy_from_slice(&arguments);
    sign_extended(function, smc64(function, registers)[0])
}

/// PSCI_VERSION: major in the upper, minor in the lower half word.
pub fn version() -> i64 {
    by_hvc(PSCI_VERSION, [0; 3])
}

/// PSCI_FEATURES of `function`: not negative if there is one.
pub fn features(function: u32) -> i64 {
    by_hvc(PSCI_FEATURES, [function.into(), 0, 0])
}

/// Starts the vCPU with the affinity `mpidr` at `entry` with `context` in x0.
pub fn cpu_on(mpidr: u64, entry: u64, context: u64) -> i64 {
    by_hvc(PSCI_CPU_ON_64, [mpidr, entry, context])
}

/// Stops the calling vCPU. Returns only if refused.
pub fn cpu_off() -> i64 {
    by_hvc(PSCI_CPU_OFF, [0; 3])
}

/// Whether the vCPU with the affinity `mpidr` runs.
pub fn affinity_info(mpidr: u64) -> i64 {
    by_hvc(PSCI_AFFINITY_INFO_64, [mpidr, 0, 0])
}

/// Switches the guest off. Returns only if refused.
pub fn system_off() -> i64 {
    by_hvc(PSCI_SYSTEM_OFF, [0; 3])
}

/// Starts the guest again, alone. Returns only if refused.
pub fn system_reset() -> i64 {
    by_hvc(PSCI_SYSTEM_RESET, [0; 3])
}
