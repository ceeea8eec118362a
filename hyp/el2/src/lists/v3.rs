//! List registers of a GICv3: system registers.
//!
//! Source: GICv3 architecture specification, IHI 0069, 12.4 (ICH registers).

use aarch64_cpu::{
    asm::barrier::{SY, isb},
    registers::{
        ICH_AP0R0_EL2, ICH_AP1R0_EL2, ICH_HCR_EL2, ICH_VMCR_EL2, ICH_VTR_EL2, Readable, Writeable,
    },
};
use unimux_board::GicV3;

use super::{CpuInterface, ListRegisters};
use crate::gic::Gic;

impl ListRegisters for Gic<GicV3> {
    fn count(&self) -> usize {
        (ICH_VTR_EL2.get() & 0x1f) as usize + 1
    }

    fn save(&self) -> CpuInterface {
        CpuInterface {
            machine: ICH_VMCR_EL2.get() as u32,
            active_priorities: [ICH_AP0R0_EL2.get() as u32, ICH_AP1R0_EL2.get() as u32],
        }
    }

    fn restore(&self, interface: &CpuInterface) {
        let [group_0, group_1] = interface.active_priorities;
        ICH_VMCR_EL2.set(interface.machine.into());
        ICH_AP0R0_EL2.set(group_0.into());
        ICH_AP1R0_EL2.set(group_1.into());
    }

    fn set_control(&self, value: u32) {
        ICH_HCR_EL2.set(value.into());
        isb(SY);
    }

    fn read(&self, index: usize) -> u64 {
        read(index)
    }

    fn write(&self, index: usize, value: u64) {
        write(index, value);
    }
}

macro_rules! list_registers {
    ($($index:literal: $register:ident,)*) => {
        use aarch64_cpu::registers::{$($register),*};

        fn read(index: usize) -> u64 {
            match index {
                $($index => $register.get(),)*
                _ => unreachable!("there are at most 16 list registers"),
            }
        }

        fn write(index: usize, value: u64) {
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
