//! What of a vCPU stays in the core between its exits: system registers of EL1 and EL0, SIMD.
//!
//! A vCPU that owns its core has it there from its start to its end. On a shared core it is saved
//! when another vCPU comes, and restored when its turn is next. General registers are not here: they
//! move at every exit ([`Frame`](crate::vcpu::Frame)); nor is the virtual CPU interface, which
//! [`lists`](crate::lists) has.
//!
//! The registers are those of EL1 and EL0 that Arm ARM DDI 0487, D24.2 lists for a core without
//! optional features, as a Cortex-A53 is one, and that do not trap. Of the PMU, settings alone: what it
//! counts is nobody's after a change of turns.
#![expect(
    unsafe_code,
    reason = "moves EL1's system registers and SIMD registers"
)]
// UNSAFETY: registers of EL1 and EL0 of this core, which EL2 has no use for.

use core::arch::asm;

use aarch64_cpu::registers::{CNTP_CTL_EL0, CNTV_CTL_EL0, Writeable};

use crate::interrupts::{PHYSICAL_TIMER, VIRTUAL_TIMER};

/// SCTLR_EL1 with MMU and caches off: only what is RES1 in ARMv8.0.
const SCTLR_EL1_RESET: u64 = 0x30d0_0800;

/// Registers q0 to q31, FPCR and FPSR. The assembly knows the layout.
#[derive(Clone, Debug)]
#[repr(C, align(16))]
struct Simd {
    q: [[u64; 2]; 32],
    control: u64,
    status: u64,
}

impl Simd {
    const RESET: Self = Self {
        q: [[0; 2]; 32],
        control: 0,
        status: 0,
    };
}

macro_rules! system_registers {
    ($($register:ident),* $(,)?) => {
        /// One field for each register, of its name.
        #[derive(Clone, Debug)]
        struct System {
            $($register: u64,)*
        }

        impl System {
            const ZERO: Self = Self { $($register: 0,)* };

            fn save(&mut self) {
                $(
                    // SAFETY: reads a register of EL1 or EL0.
                    unsafe {
                        asm!(
                            concat!("mrs {}, ", stringify!($register)),
                            out(reg) self.$register,
                            options(nomem, nostack, preserves_flags),
                        );
                    }
                )*
            }

            fn restore(&self) {
                $(
                    // SAFETY: writes a register of EL1 or EL0, while no guest runs on this core and
                    // the state that was there is saved or dead.
                    unsafe {
                        asm!(
                            concat!("msr ", stringify!($register), ", {}"),
                            in(reg) self.$register,
                            options(nostack, preserves_flags),
                        );
                    }
                )*
            }
        }
    };
}

// The compare value before the control: a timer that is on never has another's.
system_registers! {
    sctlr_el1, ttbr0_el1, ttbr1_el1, tcr_el1, mair_el1, amair_el1, vbar_el1, contextidr_el1,
    cpacr_el1, csselr_el1, elr_el1, spsr_el1, esr_el1, far_el1, afsr0_el1, afsr1_el1, par_el1,
    tpidr_el1, tpidr_el0, tpidrro_el0, sp_el1, sp_el0, cntkctl_el1,
    cntv_cval_el0, cntv_ctl_el0, cntp_cval_el0, cntp_ctl_el0,
    pmcr_el0, pmuserenr_el0, pmccfiltr_el0,
}

/// A timer's control register (Arm ARM DDI 0487, D24.10): on, and not masked.
const TIMER_CONTROL: u64 = 0b11;
const TIMER_ON: u64 = 0b01;

/// `$instruction` for all vector registers, two at a time, to or from `at`.
macro_rules! each_pair_of_q {
    ($instruction:literal) => {
        each_pair_of_q!($instruction:
            "q0, q1", "q2, q3", "q4, q5", "q6, q7", "q8, q9", "q10, q11", "q12, q13", "q14, q15",
            "q16, q17", "q18, q19", "q20, q21", "q22, q23", "q24, q25", "q26, q27", "q28, q29",
            "q30, q31")
    };
    ($instruction:literal: $($pair:literal),*) => {
        concat!(
            $($instruction, " ", $pair, ", [{at}], #32\n",)*
        )
    };
}

/// What of a vCPU stays in the core.
#[derive(Clone, Debug)]
pub struct Context {
    simd: Simd,
    system: System,
}

impl Default for Context {
    fn default() -> Self {
        Self::RESET
    }
}

impl Context {
    /// As after reset, with nothing of anybody in it.
    pub(crate) const RESET: Self = Self {
        simd: Simd::RESET,
        system: System {
            sctlr_el1: SCTLR_EL1_RESET,
            ..System::ZERO
        },
    };

    /// Takes it from the core, whose guest timers are off then: they would interrupt another.
    #[inline(never)]
    pub(crate) fn save(&mut self) {
        self.system.save();
        CNTV_CTL_EL0.set(0);
        CNTP_CTL_EL0.set(0);
        // SAFETY: stores to the structure, whose layout is this. Assembler only: EL2's own code is
        // built without vector registers, so the guest's are in place.
        unsafe {
            asm!(
                ".arch_extension fp",
                ".arch_extension simd",
                each_pair_of_q!("stp"),
                "mrs {control}, fpcr",
                "mrs {status}, fpsr",
                ".arch_extension nosimd",
                ".arch_extension nofp",
                at = inout(reg) &raw mut self.simd.q => _,
                control = out(reg) self.simd.control,
                status = out(reg) self.simd.status,
                options(nostack, preserves_flags),
            );
        }
    }

    /// Gives it to the core.
    #[inline(never)]
    pub(crate) fn restore(&self) {
        self.system.restore();
        // SAFETY: what another let the PMU count and interrupt for is not this one's.
        unsafe {
            asm!(
                "msr pmcntenclr_el0, {all}",
                "msr pmintenclr_el1, {all}",
                all = in(reg) u64::from(u32::MAX),
                options(nomem, nostack, preserves_flags),
            );
        }
        // SAFETY: loads from the structure, whose layout is this, into registers that EL2 does not
        // use.
        unsafe {
            asm!(
                ".arch_extension fp",
                ".arch_extension simd",
                each_pair_of_q!("ldp"),
                "msr fpcr, {control}",
                "msr fpsr, {status}",
                ".arch_extension nosimd",
                ".arch_extension nofp",
                "isb",
                at = inout(reg) &raw const self.simd.q => _,
                control = in(reg) self.simd.control,
                status = in(reg) self.simd.status,
                options(nostack, preserves_flags),
            );
        }
    }

    /// The saved timers that are on and not masked: INTID, and when it fires, in ticks of the system
    /// counter.
    pub fn timers(&self) -> impl Iterator<Item = (u32, u64)> {
        let System {
            cntv_ctl_el0,
            cntv_cval_el0,
            cntp_ctl_el0,
            cntp_cval_el0,
            ..
        } = self.system;
        let timers = [
            (VIRTUAL_TIMER, cntv_ctl_el0, cntv_cval_el0),
            (PHYSICAL_TIMER, cntp_ctl_el0, cntp_cval_el0),
        ];
        let on = |control: u64| control & TIMER_CONTROL == TIMER_ON;
        let on = timers
            .into_iter()
            .filter(move |(_, control, _)| on(*control));
        on.map(|(intid, _, at)| (intid, at))
    }
}
