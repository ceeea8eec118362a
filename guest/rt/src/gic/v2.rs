//! GICv2: all by memory, the CPU interface without exits. Group 0, which is an IRQ as FIQEn is off.
//! Registers: IHI0048B, 4.3 and 4.4.

use unimux_paravirt::map::GICC_BASE;

use super::{DISTRIBUTOR, FIRST_SPI, GICD_CTLR, IntId, PRIORITY_MASK, read, write};
use crate::exception::current_vcpu;

const GICD_ITARGETSR: usize = 0x0800;
const GICD_SGIR: usize = 0x0f00;

const GICC_CTLR: usize = GICC_BASE as usize;
const GICC_PMR: usize = GICC_BASE as usize + 0x04;
const GICC_IAR: usize = GICC_BASE as usize + 0x0c;
const GICC_EOIR: usize = GICC_BASE as usize + 0x10;

/// EnableGrp0 of GICD_CTLR and GICC_CTLR.
const ENABLE_GROUP_0: u32 = 1;

pub(super) fn start() {
    if current_vcpu() == 0 {
        write(DISTRIBUTOR + GICD_CTLR, ENABLE_GROUP_0);
    }
    write(GICC_PMR, PRIORITY_MASK);
    write(GICC_CTLR, ENABLE_GROUP_0);
}

/// An SPI goes to vCPU 0. Targets are bytes; the three others of the word stay.
pub(super) fn route(intid: IntId) {
    if intid.0 >= FIRST_SPI {
        let lane = 8 * (intid.0 % 4);
        let targets = DISTRIBUTOR + GICD_ITARGETSR + (intid.0 as usize & !3);
        write(targets, read(targets) & !(0xff << lane) | 1 << lane);
    }
}

pub(super) fn send(intid: IntId, index: usize) {
    write(DISTRIBUTOR + GICD_SGIR, 1 << (16 + index) | intid.0);
}

pub(super) fn acknowledge() -> u32 {
    read(GICC_IAR)
}

/// `taken` is all that the acknowledge gave, with the sender of an SGI.
pub(super) fn end(taken: u32) {
    write(GICC_EOIR, taken);
}
