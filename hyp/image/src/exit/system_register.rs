//! Trapped system registers.

use unimux_el2::id_registers;
use unimux_paravirt::ExitReason;
use unimux_trap::{
    Direction, Registers, SystemRegister, SystemRegisterAccess,
    id_registers::{IdRegister, Machine},
};

use super::Outcome;
use crate::{
    gic::{GuestGic, Kind},
    guest::Guest,
    interrupts::VcpuInterrupts,
};

/// Carries out an access to a system register that traps.
pub(super) fn handle(
    guest: &Guest,
    interrupts: &mut VcpuInterrupts,
    access: &SystemRegisterAccess,
    registers: &Registers,
) -> (ExitReason, Outcome) {
    if let (Some(register), Direction::Read) = (IdRegister::new(access.register), access.direction)
    {
        let machine = Machine {
            has_gic_registers: Kind::HAS_SYSTEM_REGISTERS,
            has_pmu: guest.measures,
        };
        let shown = register.shown(id_registers::own(register), machine);
        return (ExitReason::SystemRegister, Outcome::Read(access.rt, shown));
    }
    let outcome = match (access.register, access.direction) {
        (SystemRegister { op0: 2, .. }, _) => Outcome::Debug(*access),
        // It has no bit that a guest needs.
        (SystemRegister::ACTLR_EL1, Direction::Read) => Outcome::Read(access.rt, 0),
        (SystemRegister::ACTLR_EL1, Direction::Write) => Outcome::Done,
        // All others that a guest may write are of its GIC, and send SGIs.
        (register, Direction::Write)
            if interrupts.write_system_register(register, registers.get(access.rt)) =>
        {
            return (ExitReason::Sgi, Outcome::Done);
        }
        _ => Outcome::Undefined,
    };
    (ExitReason::SystemRegister, outcome)
}
