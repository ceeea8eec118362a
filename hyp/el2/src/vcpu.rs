//! One virtual CPU: its registers, its entry, its exits.
//!
//! A vCPU is pinned to its core, so its EL1 system registers and SIMD registers live in the
//! hardware and are set once, when it starts. Only the general registers move at an exit.
#![expect(
    unsafe_code,
    reason = "sets EL2 and EL1 system registers and enters EL1"
)]
// UNSAFETY: the registers of this core that decide what a guest may do.

use core::arch::asm;

use aarch64_cpu::registers::{
    CPTR_EL2, HCR_EL2, MDCR_EL2, MIDR_EL1, Readable, VMPIDR_EL2, Writeable,
};

use unimux_trap::{Exit, Registers, Snapshot, Vector};

use crate::{stage2::Stage2, vectors};

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

/// SCTLR_EL1 with MMU and caches off: only what is RES1 in ARMv8.0.
const SCTLR_EL1_RESET: u64 = 0x30d0_0800;

/// What traps: see [`Vcpu::load`].
const HCR: u64 = (1 << 0)   // VM: stage 2
    | (1 << 1)              // SWIO: invalidate by set/way also cleans
    | (1 << 2)              // PTW: no stage 1 walk through device memory
    | (1 << 3)              // FMO: FIQ to EL2
    | (1 << 4)              // IMO: IRQ to EL2, virtual IRQ to EL1
    | (1 << 5)              // AMO: SError to EL2
    | (1 << 9)              // FB: broadcast TLB maintenance within the inner shareable domain
    | (1 << 10)             // BSU: barriers at least inner shareable
    | (1 << 19)             // TSC: SMC to EL2
    | (1 << 20)             // TIDCP: implementation defined registers
    | (1 << 21)             // TACR: auxiliary control register
    | (1 << 31); // RW: EL1 is AArch64

/// A virtual CPU.
#[derive(Debug, Default)]
pub struct Vcpu {
    frame: Frame,
}

impl Vcpu {
    /// A vCPU about to execute its first instruction at `entry` with `x0`, as PSCI CPU_ON and the
    /// boot protocol say: EL1h, exceptions masked.
    pub fn at(entry: u64, x0: u64) -> Self {
        let mut frame = Frame {
            elr: entry,
            spsr: PSTATE_EL1H_MASKED,
            ..Frame::default()
        };
        frame.x.set(0, x0);
        Self { frame }
    }

    /// Its registers.
    pub fn frame(&self) -> &Frame {
        &self.frame
    }

    /// Its registers, to be changed before it goes on.
    pub fn frame_mut(&mut self) -> &mut Frame {
        &mut self.frame
    }

    /// Goes on after the instruction that trapped.
    pub fn skip_instruction(&mut self) {
        self.frame.elr = self.frame.elr.wrapping_add(4);
    }

    /// Makes this core the vCPU `index` of the guest behind `stage2`: EL2's controls, the identity
    /// that it sees, and EL1's registers as after reset.
    ///
    /// Not trapped: WFI and WFE (the guest owns its core), the cycle counter and the other PMU
    /// registers, timers. Trapped besides stage 2: SMC, implementation defined registers, ACTLR.
    pub fn load(&self, index: u64, stage2: &Stage2) {
        HCR_EL2.set(HCR);
        CPTR_EL2.set(0x33ff);
        let counters: u64;
        // SAFETY: reads PMCR_EL0.N.
        unsafe { asm!("mrs {}, pmcr_el0", out(reg) counters, options(nomem, nostack)) };
        MDCR_EL2.set((counters >> 11) & 0x1f);
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
        stage2.activate();
        reset_el1();
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

    /// Has the vCPU take a synchronous exception at EL1: an undefined instruction, with what the
    /// architecture puts into ELR_EL1, SPSR_EL1 and ESR_EL1 (Arm ARM DDI 0487, D1.3.3).
    pub fn inject_undefined(&mut self) {
        // EC 0, IL set.
        self.inject(1 << 25);
    }

    fn inject(&mut self, esr: u64) {
        let vbar: u64;
        // SAFETY: EL1's registers belong to the vCPU that is loaded on this core.
        unsafe {
            asm!(
                "msr elr_el1, {elr}",
                "msr spsr_el1, {spsr}",
                "msr esr_el1, {esr}",
                "mrs {vbar}, vbar_el1",
                elr = in(reg) self.frame.elr,
                spsr = in(reg) self.frame.spsr,
                esr = in(reg) esr,
                vbar = out(reg) vbar,
                options(nomem, nostack),
            );
        }
        // Current EL with SP_EL0, with SP_ELx, lower EL AArch64, lower EL AArch32.
        let offset = match self.frame.spsr & 0x1f {
            0b00100 => 0x000,
            0b00101 => 0x200,
            0b00000 => 0x400,
            _ => 0x600,
        };
        self.frame.elr = vbar.wrapping_add(offset);
        self.frame.spsr = PSTATE_EL1H_MASKED;
    }
}

/// EL1 and EL0 registers of this core as after reset, so that nothing of an earlier guest is left.
fn reset_el1() {
    // SAFETY: registers of EL1 and EL0 alone, while no guest runs on this core. TPIDRRO and the
    // like are not used by EL2.
    unsafe {
        asm!(
            "msr sctlr_el1, {sctlr}",
            "msr ttbr0_el1, xzr",
            "msr ttbr1_el1, xzr",
            "msr tcr_el1, xzr",
            "msr mair_el1, xzr",
            "msr amair_el1, xzr",
            "msr vbar_el1, xzr",
            "msr contextidr_el1, xzr",
            "msr cpacr_el1, xzr",
            "msr csselr_el1, xzr",
            "msr elr_el1, xzr",
            "msr spsr_el1, xzr",
            "msr esr_el1, xzr",
            "msr far_el1, xzr",
            "msr afsr0_el1, xzr",
            "msr afsr1_el1, xzr",
            "msr par_el1, xzr",
            "msr tpidr_el1, xzr",
            "msr tpidr_el0, xzr",
            "msr tpidrro_el0, xzr",
            "msr sp_el1, xzr",
            "msr sp_el0, xzr",
            "msr mdscr_el1, xzr",
            "msr cntkctl_el1, xzr",
            "msr cntv_ctl_el0, xzr",
            "msr cntp_ctl_el0, xzr",
            "msr pmcr_el0, xzr",
            "msr pmuserenr_el0, xzr",
            "msr pmcntenclr_el0, {all}",
            "msr pmintenclr_el1, {all}",
            "msr pmccfiltr_el0, xzr",
            "isb",
            sctlr = in(reg) SCTLR_EL1_RESET,
            all = in(reg) 0xffff_ffff_u64,
            options(nostack),
        );
        // Vector registers too: a guest starts with what reset leaves, never with another's data.
        // (Assembler only: EL2's own code is built without them.)
        asm!(
            ".arch_extension fp",
            ".arch_extension simd",
            "msr fpcr, xzr",
            "msr fpsr, xzr",
            "movi v0.2d, #0",
            "movi v1.2d, #0",
            "movi v2.2d, #0",
            "movi v3.2d, #0",
            "movi v4.2d, #0",
            "movi v5.2d, #0",
            "movi v6.2d, #0",
            "movi v7.2d, #0",
            "movi v8.2d, #0",
            "movi v9.2d, #0",
            "movi v10.2d, #0",
            "movi v11.2d, #0",
            "movi v12.2d, #0",
            "movi v13.2d, #0",
            "movi v14.2d, #0",
            "movi v15.2d, #0",
            "movi v16.2d, #0",
            "movi v17.2d, #0",
            "movi v18.2d, #0",
            "movi v19.2d, #0",
            "movi v20.2d, #0",
            "movi v21.2d, #0",
            "movi v22.2d, #0",
            "movi v23.2d, #0",
            "movi v24.2d, #0",
            "movi v25.2d, #0",
            "movi v26.2d, #0",
            "movi v27.2d, #0",
            "movi v28.2d, #0",
            "movi v29.2d, #0",
            "movi v30.2d, #0",
            "movi v31.2d, #0",
            ".arch_extension nosimd",
            ".arch_extension nofp",
            options(nomem, nostack),
        );
    }
}
