//! Which core this is.

use aarch64_cpu::registers::{MPIDR_EL1, Readable, TPIDR_EL2, Writeable};

/// Affinity fields of MPIDR: Aff3 and Aff2 to Aff0 (Arm ARM DDI 0487, MPIDR_EL1).
pub const AFFINITY: u64 = 0xff_00ff_ffff;

/// This core's affinity, as PSCI and the device tree name it.
pub fn affinity() -> u64 {
    MPIDR_EL1.get() & AFFINITY
}

/// This core's number, as the scenario names it. 0 until [`set`].
pub fn get() -> usize {
    TPIDR_EL2.get() as usize
}

/// Sets this core's number. TPIDR_EL2 is Unimux's own; no guest sees it.
pub fn set(core: usize) {
    TPIDR_EL2.set(core as u64);
}
