//! Why a vCPU is back at EL2.
//!
//! It does not count exits: which device an abort belongs to is known one layer up, and so is the
//! counter.

use crate::abort::Abort;
use crate::syndrome::{ExceptionClass, Syndrome};
use crate::sysreg::SystemRegisterAccess;
use unimux_text::texts;

/// Which of the four vectors for a lower exception level was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vector {
    /// Synchronous: the syndrome says why.
    Synchronous,
    /// A physical IRQ.
    Irq,
    /// A physical FIQ.
    Fiq,
    /// A physical SError; the syndrome says more.
    Serror,
}

/// The registers that describe an exception, read at entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// `ESR_EL2`.
    pub esr: u64,
    /// `FAR_EL2`.
    pub far: u64,
    /// `HPFAR_EL2`.
    pub hpfar: u64,
}

impl Snapshot {
    /// `ESR_EL2` with its fields.
    #[must_use]
    pub const fn syndrome(&self) -> Syndrome {
        Syndrome::from_bits(self.esr)
    }
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// WFI, WFE or a form of them with timeout, where `HCR_EL2` traps them. `ELR_EL2` is the
    /// instruction; to go on, skip it.
    Wfx {
        /// WFE or WFET, not WFI or WFIT.
        event: bool,
    },
    /// HVC. `ELR_EL2` is the next instruction already.
    Hvc {
        /// The immediate; SMCCC calls have zero.
        imm: u16,
    },
    /// SMC, with `HCR_EL2.TSC`. `ELR_EL2` is the SMC itself; to go on, skip it (DDI 0487 D1.3.5:
    /// a trapped instruction has not been executed).
    Smc {
        /// The immediate; SMCCC calls have zero.
        imm: u16,
    },
    /// A trapped MRS, MSR or system instruction. To go on, skip it.
    SystemRegister(SystemRegisterAccess),
    /// An instruction fetch that stage 2 refused.
    InstructionAbort(Abort),
    /// A load or store that stage 2 refused. To go on after emulating it, skip it.
    DataAbort(Abort),
    /// Floating point or SVE, where `CPTR_EL2` traps it.
    FloatingPoint,
    /// A physical SError.
    Serror,
    /// A physical interrupt.
    Irq,
    /// A physical FIQ.
    Fiq,
    /// Any other synchronous exception.
    Other {
        /// Its class.
        class: ExceptionClass,
        /// Its ISS.
        iss: u32,
    },
}

impl Exit {
    /// Decodes the exception that was taken to `vector`.
    #[must_use]
    pub fn decode(vector: Vector, snapshot: &Snapshot) -> Self {
        match vector {
            Vector::Synchronous => Self::synchronous(snapshot),
            Vector::Irq => Self::Irq,
            Vector::Fiq => Self::Fiq,
            Vector::Serror => Self::Serror,
        }
    }

    fn synchronous(snapshot: &Snapshot) -> Self {
        let syndrome = snapshot.syndrome();
        let iss = syndrome.iss();
        // The immediate of HVC and SMC is ISS[15:0].
        let imm = (iss & 0xFFFF) as u16;
        match syndrome.class() {
            // TI, ISS[1:0]: 0b00 WFI, 0b01 WFE, 0b10 WFIT, 0b11 WFET.
            ExceptionClass::WFX => Self::Wfx {
                event: iss & 1 != 0,
            },
            ExceptionClass::HVC64 => Self::Hvc { imm },
            ExceptionClass::SMC64 => Self::Smc { imm },
            ExceptionClass::SYSTEM_REGISTER => {
                Self::SystemRegister(SystemRegisterAccess::decode(iss))
            }
            ExceptionClass::INSTRUCTION_ABORT_LOWER => {
                Self::InstructionAbort(Abort::instruction(snapshot))
            }
            ExceptionClass::DATA_ABORT_LOWER => Self::DataAbort(Abort::data(snapshot)),
            ExceptionClass::FLOATING_POINT | ExceptionClass::SVE => Self::FloatingPoint,
            ExceptionClass::SERROR => Self::Serror,
            class => Self::Other { class, iss },
        }
    }

    /// Whether `ELR_EL2` points at the instruction that exited, so that going on after it means
    /// adding its length, 4. HVC returns behind itself; interrupts have no instruction.
    #[must_use]
    pub const fn must_skip(&self) -> bool {
        match self {
            Self::Wfx { .. } | Self::Smc { .. } | Self::SystemRegister(_) | Self::DataAbort(_) => {
                true
            }
            Self::Hvc { .. }
            | Self::InstructionAbort(_)
            | Self::FloatingPoint
            | Self::Serror
            | Self::Irq
            | Self::Fiq
            | Self::Other { .. } => false,
        }
    }
}

texts!(Exit {
    Self::Wfx { event: false } => "WFI";
    Self::Wfx { event: true } => "WFE";
    Self::Hvc { imm } => "hvc #{}", imm;
    Self::Smc { imm } => "smc #{}", imm;
    Self::SystemRegister(access) => "system register, {}", access;
    Self::InstructionAbort(abort) => "instruction abort, {}", abort;
    Self::DataAbort(abort) => "data abort, {}", abort;
    Self::FloatingPoint => "trapped floating point";
    Self::Serror => "SError";
    Self::Irq => "IRQ";
    Self::Fiq => "FIQ";
    Self::Other { class, iss } =>
        "{} (class {:#04x}, ISS {:#x})", class.name(), class.get(), iss;
});
