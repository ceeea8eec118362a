//! System registers of a vCPU that take any value, to see whether they keep it.
#![expect(unsafe_code, reason = "system registers without a safe wrapper")]
// UNSAFETY: registers that neither this program nor its runtime uses.

use core::arch::asm;

macro_rules! registers {
    ($($register:ident & $mask:literal),* $(,)?) => {
        /// One value for each.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct SystemRegisters {
            $($register: u64,)*
        }

        impl SystemRegisters {
            /// Values made of `seed`, all different, with those bits alone that the registers have.
            pub fn of_seed(seed: u64) -> Self {
                let mut values = Self::default();
                let mut seed = seed;
                $(
                    seed = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                    values.$register = seed & $mask;
                )*
                values
            }

            /// Sets them.
            pub fn set(&self) {
                $(
                    // SAFETY: nobody looks at the register, and it has no effect.
                    unsafe {
                        asm!(
                            concat!("msr ", stringify!($register), ", {}"),
                            in(reg) self.$register,
                            options(nomem, nostack, preserves_flags),
                        );
                    }
                )*
            }

            /// Those of this vCPU.
            pub fn get() -> Self {
                let mut values = Self::default();
                $(
                    // SAFETY: reads a register.
                    unsafe {
                        asm!(
                            concat!("mrs {}, ", stringify!($register)),
                            out(reg) values.$register,
                            options(nomem, nostack, preserves_flags),
                        );
                    }
                )*
                values
            }
        }
    };
}

// The bits that each has on any core (Arm ARM DDI 0487, D24.2).
registers! {
    tpidr_el0 & 0xffff_ffff_ffff_ffff,
    tpidrro_el0 & 0xffff_ffff_ffff_ffff,
    elr_el1 & 0xffff_ffff_ffff,
    spsr_el1 & 0xf000_03c0,
    far_el1 & 0xffff_ffff_ffff,
    esr_el1 & 0xffff_ffff,
    contextidr_el1 & 0xffff_ffff,
    par_el1 & 0x0000_ffff_ffff_f000,
    csselr_el1 & 0x1,
    sp_el0 & 0xffff_ffff_ffff_fff0,
}
