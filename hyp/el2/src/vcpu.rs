//! One virtual CPU: its registers, its entry, its exits.
//!
//! A vCPU is pinned to its core. Its EL1 system registers and SIMD registers stay in the hardware
//! until another vCPU of the core has its turn; only the general registers move at an exit.
#![expect(
    unsafe_code,
    reason = "sets EL2 and EL1 system registers and enters EL1"
)]
// UNSAFETY: the registers of this core that decide what a guest may do.

use core::arch::asm;

use aarch64_cpu::registers::{CPTR_EL2, HCR_EL2, MIDR_EL1, Readable, VMPIDR_EL2, Writeable};

use unimux_trap::{
    Exit, Registers, Snapshot, SystemRegisterAccess, Vector, debug::DebugRegisters, injection,
};

use crate::{context::Context, debug, stage2::Stage2, vectors};

/// General registers and syndrome of a vCPU that is not running. The vectors know its layout.
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub struct Frame {
    /// x0 to x30.
    pub x: Registers,
    /// Where the vCPU goes on.
    pub elr: u64,
    /// Its PSTATE.
    pub spsr: u64,
    /// Syndrome of the last exit.
    pub esr: u64,
    /// Faulting virtual address of the last exit, when the syndrome has one.
    pub far: u64,
    /// Faulting IPA of the last exit, in the register's form, when the syndrome has one.
    pub hpfar: u64,
}

const _: () = {
    assert!(core::mem::offset_of!(Frame, elr) == 248);
    assert!(core::mem::offset_of!(Frame, esr) == 264);
    assert!(core::mem::offset_of!(Frame, hpfar) == 280);
};

/// PSTATE at entry: EL1h, all of DAIF masked (Arm ARM DDI 0487, C5.2.19).
const PSTATE_EL1H_MASKED: u64 = 0x3c5;

/// What traps always: see [`Vcpu::load`].
const HCR: u64 = (1 << 0)   // VM: stage 2
    | (1 << 1)              // SWIO: invalidate by set/way also cleans
    | (1 << 2)              // PTW: no stage 1 walk through device memory
    | (1 << 3)              // FMO: FIQ to EL2
    | (1 << 4)              // IMO: IRQ to EL2, virtual IRQ to EL1
    | (1 << 5)              // AMO: SError to EL2
    | (1 << 9)              // FB: broadcast TLB maintenance within the inner shareable domain
    | (1 << 10)             // BSU: barriers at least inner shareable
    | (1 << 18)             // TID3: ID registers
    | (1 << 19)             // TSC: SMC to EL2
    | (1 << 20)             // TIDCP: implementation defined registers
    | (1 << 21)             // TACR: auxiliary control register
    | (1 << 31)             // RW: EL1 is AArch64
    | (1 << 35)             // TLOR: limited ordering regions
    | (1 << 36); // TERR: error records
// Clear, so that they trap: API, APK (pointer authentication), ATA (MTE), EnSCXT, FIEN.

/// CPTR_EL2: its RES1 bits, which trap SVE and SME, and traps of trace (TTA) and activity monitors
/// (TAM).
const CPTR: u64 = 0x33ff | 1 << 20 | 1 << 30;

/// WFI and WFE to EL2.
const HCR_TWI: u64 = 1 << 13;
const HCR_TWE: u64 = 1 << 14;

/// A virtual CPU.
#[derive(Debug, Default)]
pub struct Vcpu {
    frame: Frame,
    context: Context,
    debug: DebugRegisters,
}

impl Vcpu {
    /// Makes it a vCPU about to execute its first instruction at `entry` with `x0`, as PSCI CPU_ON and
    /// the boot protocol say: EL1h, exceptions masked, all else as after reset.
    pub fn reset(&mut self, entry: u64, x0: u64) {
        *self = Self {
            frame: Frame {
                elr: entry,
                spsr: PSTATE_EL1H_MASKED,
                ..Frame::default()
            },
            context: Context::default(),
            debug: DebugRegisters::default(),
        };
        self.frame.x.set(0, x0);
    }

    /// What of it stays in the core between exits, as of the last [`Self::save`].
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Its registers.
    pub fn frame(&self) -> &Frame {
        &self.frame
    }

    /// Its registers, to be changed before it goes on.
    pub fn frame_mut(&mut self) -> &mut Frame {
        &mut self.frame
    }

    /// Goes on after the instruction that trapped and was carried out.
    pub fn skip_instruction(&mut self) {
        self.frame.elr = self.frame.elr.wrapping_add(4);
        self.frame.spsr = injection::after_instruction(self.frame.spsr);
    }

    /// Carries out an access to a debug register. Gives what it reads; `None` if the vCPU has no such
    /// register.
    pub fn access_debug(&mut self, access: &SystemRegisterAccess) -> Option<u64> {
        let stored = self.frame.x.get(access.rt);
        let read = self.debug.access(access, stored, debug::counts())?;
        debug::load(&self.debug);
        Some(read)
    }

    /// Makes this core the vCPU `index` of the guest behind `stage2`: EL2's controls, the identity
    /// that it sees, and its own registers.
    ///
    /// A guest that `measures` has the PMU of its core, which is for guests that own it: its counters
    /// are not saved for another, and its interrupt goes nowhere. Others have none.
    ///
    /// Not trapped: timers; WFI and WFE, unless [`trap_waits`] says so. Trapped besides stage 2: SMC, ID
    /// registers, debug registers, implementation defined registers, ACTLR, and what no guest has.
    pub fn load(&self, index: u64, stage2: &Stage2, measures: bool) {
        trap_waits(false, false);
        CPTR_EL2.set(CPTR);
        debug::set_traps(measures);
        debug::load(&self.debug);
        VMPIDR_EL2.set((1 << 31) | index);
        // SAFETY: VPIDR_EL2 decides what EL1 reads in MIDR_EL1; HSTR_EL2 traps AArch32 accesses,
        // of which EL1 makes none.
        unsafe {
            asm!(
                "msr vpidr_el2, {midr}",
                "msr hstr_el2, xzr",
                midr = in(reg) MIDR_EL1.get(),
                options(nomem, nostack),
            );
        }
        stage2.select();
        self.context.restore();
    }

    /// Takes its registers from this core, before another vCPU comes.
    pub fn save(&mut self) {
        self.context.save();
    }

    /// Runs the vCPU until it leaves EL1, and says why it did.
    pub fn run(&mut self) -> Exit {
        // SAFETY: the frame is ours, and `load` made this core's EL2 registers those of the guest.
        let kind = unsafe { vectors::enter_guest(&raw mut self.frame) };
        let vector = match kind {
            0 => Vector::Synchronous,
            1 => Vector::Irq,
            2 => Vector::Fiq,
            _ => Vector::Serror,
        };
        let Frame {
            esr, far, hpfar, ..
        } = self.frame;
        Exit::decode(vector, &Snapshot { esr, far, hpfar })
    }

    /// Has the vCPU take a synchronous exception at EL1: an undefined instruction.
    pub fn inject_undefined(&mut self) {
        self.inject(injection::undefined());
    }

    /// Has the vCPU take a synchronous exception at EL1: an external abort of the access that exited.
    pub fn inject_external_abort(&mut self) {
        let Frame { esr, spsr, far, .. } = self.frame;
        // SAFETY: EL1's registers belong to the vCPU that is loaded on this core.
        unsafe { asm!("msr far_el1, {}", in(reg) far, options(nomem, nostack)) };
        self.inject(injection::external_abort(esr, spsr));
    }

    /// Has it take the exception `esr`, with what the architecture puts into EL1's registers.
    fn inject(&mut self, esr: u64) {
        let (vbar, sctlr): (u64, u64);
        // SAFETY: as above.
        unsafe {
            asm!(
                "msr elr_el1, {elr}",
                "msr spsr_el1, {spsr}",
                "msr esr_el1, {esr}",
                "mrs {vbar}, vbar_el1",
                "mrs {sctlr}, sctlr_el1",
                elr = in(reg) self.frame.elr,
                spsr = in(reg) self.frame.spsr,
                esr = in(reg) esr,
                vbar = out(reg) vbar,
                sctlr = out(reg) sctlr,
                options(nomem, nostack),
            );
        }
        self.frame.elr = vbar.wrapping_add(injection::vector(self.frame.spsr));
        self.frame.spsr = injection::handler_state(self.frame.spsr, sctlr);
    }
}

/// Whether WFI and WFE of the vCPU on this core exit. Those of a vCPU that owns its core do not.
pub fn trap_waits(wfi: bool, wfe: bool) {
    let or_zero = |on, bits| if on { bits } else { 0 };
    HCR_EL2.set(HCR | or_zero(wfi, HCR_TWI) | or_zero(wfe, HCR_TWE));
}
