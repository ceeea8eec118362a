//! What a guest's exit leads to.
//!
//! Each handler says what happened as an [`Outcome`]; [`Outcome::apply`] is the one place that
//! writes a vCPU's registers.
//!
//! Choices where the architecture leaves room: what EL2 traps and the architecture has as
//! implementation defined or as absent is UNDEFINED to the guest; ACTLR_EL1 reads as zero and
//! ignores writes; a call that nobody knows is NOT_SUPPORTED; an access to a device that is not a
//! plain load or store of one register is an external abort. Everything else that has no answer
//! (outside the map, or not decodable) stops the guest.

mod abort;
mod call;
mod system_register;

use unimux_el2::vcpu::Vcpu;
use unimux_paravirt::ExitReason;
use unimux_trap::{Access, Direction, Exit, Registers, SystemRegisterAccess};

use crate::{
    guest::{Guest, lifecycle::End},
    interrupts::VcpuInterrupts,
};

/// What happened, for the vCPU's registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing to write; the vCPU goes on where it is.
    Resume,
    /// The instruction was carried out.
    Done,
    /// A load was carried out and gave this.
    Loaded(Access, u64),
    /// A system register was read into a register.
    Read(u8, u64),
    /// A call gives these in x0 to x3. Registers beyond the count stay.
    Answer([u64; 4], usize),
    /// An access to a debug register, which is the vCPU's.
    Debug(SystemRegisterAccess),
    /// There is no such instruction.
    Undefined,
    /// The vCPU waits for an interrupt, or for an event, if need be.
    Wait {
        /// For an event.
        event: bool,
    },
    /// The device refuses the access.
    ExternalAbort,
    /// A call is answered with success when the vCPU has an interrupt to take.
    Standby,
    /// The vCPU is off.
    VcpuOff,
    /// The guest's life ends.
    End(End),
    /// As `End(Fault)`, not reported yet.
    Fault,
}

impl Outcome {
    /// A call's result in x0.
    pub(crate) const fn answer(x0: u64) -> Self {
        Self::Answer([x0, 0, 0, 0], 1)
    }

    /// Writes what the vCPU is to see. `skip` says whether its PC is still at the instruction.
    pub(crate) fn apply(self, vcpu: &mut Vcpu, skip: bool) {
        let debug = match &self {
            Self::Debug(access) => vcpu.access_debug(access),
            _ => None,
        };
        let registers = &mut vcpu.frame_mut().x;
        match self {
            Self::Done | Self::Wait { .. } => {}
            Self::Loaded(access, value) => access.complete_load(registers, value),
            Self::Read(register, value) => registers.set(register, value),
            Self::Answer(values, count) => {
                for (register, value) in (0_u8..).zip(values).take(count) {
                    registers.set(register, value);
                }
            }
            Self::Standby => registers.set(0, 0),
            Self::Debug(access) => match (debug, access.direction) {
                (Some(value), Direction::Read) => registers.set(access.rt, value),
                (Some(_), Direction::Write) => {}
                (None, _) => return vcpu.inject_undefined(),
            },
            Self::Undefined => return vcpu.inject_undefined(),
            Self::ExternalAbort => return vcpu.inject_external_abort(),
            Self::Resume | Self::VcpuOff | Self::End(_) | Self::Fault => return,
        }
        if skip {
            vcpu.skip_instruction();
        }
    }
}

/// Handles a synchronous exit of vCPU `vcpu`. Interrupts are not its business.
// Not in line: in one function with the loop that enters the guest it is larger.
#[inline(never)]
pub(crate) fn handle(
    guest: &Guest,
    vcpu: usize,
    interrupts: &mut VcpuInterrupts,
    exit: &Exit,
    registers: &Registers,
) -> (ExitReason, Outcome) {
    match exit {
        Exit::DataAbort(abort) => abort::data(guest, interrupts, abort, registers),
        Exit::InstructionAbort(_) => (ExitReason::FetchFault, Outcome::Fault),
        Exit::Hvc { imm: 0 } | Exit::Smc { imm: 0 } => call::handle(guest, vcpu, registers),
        Exit::Hvc { .. } | Exit::Smc { .. } => (
            ExitReason::UnknownCall,
            Outcome::answer(unimux_trap::NOT_SUPPORTED),
        ),
        Exit::SystemRegister(access) => {
            system_register::handle(guest, interrupts, access, registers)
        }
        Exit::Wfx { event } => (ExitReason::Wait, Outcome::Wait { event: *event }),
        Exit::FloatingPoint => (ExitReason::Other, Outcome::Undefined),
        Exit::Other { class, .. } if class.is_trapped_instruction() => {
            (ExitReason::Other, Outcome::Undefined)
        }
        Exit::Irq | Exit::Fiq => (ExitReason::Interrupt, Outcome::Resume),
        Exit::Serror | Exit::Other { .. } => (ExitReason::Other, Outcome::Fault),
    }
}
