//! The virtual CPU interface of this core: list registers and their controls.
//!
//! Source: GICv3 architecture specification, IHI 0069, 12.4 (ICH registers). What goes into a list
//! register is decided by `unimux-vgic`; here it only gets there.
#![expect(unsafe_code, reason = "two registers that no crate has")]
// UNSAFETY: reads ICH_ELRSR_EL2 and ICH_EISR_EL2.

use core::arch::asm;

use aarch64_cpu::registers::{
    ICH_AP0R0_EL2, ICH_AP1R0_EL2, ICH_HCR_EL2, ICH_MISR_EL2, ICH_VMCR_EL2, ICH_VTR_EL2, Readable,
    Writeable,
};

/// Number of list registers: ICH_VTR_EL2.ListRegs plus one.
pub fn count() -> usize {
    (ICH_VTR_EL2.get() & 0x1f) as usize + 1
}

/// Makes the virtual CPU interface as after reset, with interrupts of group 1 wired to EL1.
pub fn reset() {
    for index in 0..count() {
        write(index, 0);
    }
    ICH_VMCR_EL2.set(0);
    ICH_AP0R0_EL2.set(0);
    ICH_AP1R0_EL2.set(0);
    set_control(1);
}

/// Sets ICH_HCR_EL2.
pub fn set_control(value: u64) {
    ICH_HCR_EL2.set(value);
    aarch64_cpu::asm::barrier::isb(aarch64_cpu::asm::barrier::SY);
}

/// ICH_HCR_EL2.
pub fn control() -> u64 {
    ICH_HCR_EL2.get()
}

/// ICH_MISR_EL2: why a maintenance interrupt is asserted.
pub fn maintenance_reasons() -> u64 {
    ICH_MISR_EL2.get()
}

/// ICH_ELRSR_EL2: a bit per list register that holds nothing.
pub fn empty() -> u64 {
    let value;
    // SAFETY: reads a status register.
    unsafe { asm!("mrs {}, ich_elrsr_el2", out(reg) value, options(nomem, nostack)) };
    value
}

macro_rules! list_registers {
    ($($index:literal: $register:ident,)*) => {
        use aarch64_cpu::registers::{$($register),*};

        /// List register `index`.
        ///
        /// # Panics
        /// If the architecture has no such register.
        pub fn read(index: usize) -> u64 {
            match index {
                $($index => $register.get(),)*
                _ => unreachable!("there are at most 16 list registers"),
            }
        }

        /// Sets list register `index`.
        ///
        /// # Panics
        /// If the architecture has no such register.
        pub fn write(index: usize, value: u64) {
            match index {
                $($index => $register.set(value),)*
                _ => unreachable!("there are at most 16 list registers"),
            }
        }
    };
}

list_registers! {
    0: ICH_LR0_EL2,
    1: ICH_LR1_EL2,
    2: ICH_LR2_EL2,
    3: ICH_LR3_EL2,
    4: ICH_LR4_EL2,
    5: ICH_LR5_EL2,
    6: ICH_LR6_EL2,
    7: ICH_LR7_EL2,
    8: ICH_LR8_EL2,
    9: ICH_LR9_EL2,
    10: ICH_LR10_EL2,
    11: ICH_LR11_EL2,
    12: ICH_LR12_EL2,
    13: ICH_LR13_EL2,
    14: ICH_LR14_EL2,
    15: ICH_LR15_EL2,
}
