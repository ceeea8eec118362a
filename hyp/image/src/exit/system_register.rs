//! Trapped system registers.

use unimux_paravirt::ExitReason;
use unimux_trap::{Direction, Registers, SystemRegister, SystemRegisterAccess};

use super::Outcome;
use crate::interrupts::VcpuInterrupts;

/// ACTLR_EL1 (Arm ARM DDI 0487, D24.2.2): trapped, as on some cores it has bits that reach beyond
/// the guest. It has no bit that a guest needs.
const ACTLR_EL1: SystemRegister = SystemRegister::new(3, 0, 1, 0, 1);

/// Carries out an access to a system register that traps.
pub(super) fn handle(
    interrupts: &mut VcpuInterrupts,
    access: &SystemRegisterAccess,
    registers: &Registers,
) -> (ExitReason, Outcome) {
    match (access.register, access.direction) {
        (ACTLR_EL1, Direction::Read) => (ExitReason::SystemRegister, Outcome::Read(access.rt, 0)),
        (ACTLR_EL1, Direction::Write) => (ExitReason::SystemRegister, Outcome::Done),
        // All others that a guest may write are of its GIC, and send SGIs.
        (register, Direction::Write)
            if interrupts.write_system_register(register, registers.get(access.rt)) =>
        {
            (ExitReason::Sgi, Outcome::Done)
        }
        _ => (ExitReason::SystemRegister, Outcome::Undefined),
    }
}
