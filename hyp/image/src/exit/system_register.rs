//! Trapped system registers.

use unimux_paravirt::ExitReason;
use unimux_trap::{Direction, Registers, SystemRegister, SystemRegisterAccess};
use unimux_vgic::SgiGroup;

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
        (SystemRegister::ICC_SGI1R_EL1, Direction::Write) => {
            interrupts.send_sgi(SgiGroup::One, registers.get(access.rt));
            (ExitReason::Sgi, Outcome::Done)
        }
        (SystemRegister::ICC_SGI0R_EL1, Direction::Write) => {
            interrupts.send_sgi(SgiGroup::Zero, registers.get(access.rt));
            (ExitReason::Sgi, Outcome::Done)
        }
        // The group of a security state that guests do not have.
        (SystemRegister::ICC_ASGI1R_EL1, Direction::Write) => (ExitReason::Sgi, Outcome::Done),
        (ACTLR_EL1, Direction::Read) => (ExitReason::SystemRegister, Outcome::Read(access.rt, 0)),
        (ACTLR_EL1, Direction::Write) => (ExitReason::SystemRegister, Outcome::Done),
        _ => (ExitReason::SystemRegister, Outcome::Undefined),
    }
}
