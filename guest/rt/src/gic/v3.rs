//! GICv3: redistributors, and a CPU interface of system registers. Group 1. Registers: IHI0069, 12.

use arm_sysregs::el1::accessors::{
    read_icc_iar1_el1, write_icc_eoir1_el1, write_icc_igrpen1_el1, write_icc_pmr_el1,
    write_icc_sgi1r_el1,
};
use arm_sysregs::el1::registers::{IccEoir1El1, IccIgrpen1El1, IccPmrEl1, IccSgi1rEl1};
use unimux_paravirt::map::{GICR_BASE, GICR_STRIDE};

use super::{DISTRIBUTOR, FIRST_SPI, GICD_CTLR, IntId, PRIORITY_MASK, read, write};
use crate::barrier;
use crate::exception::current_vcpu;

const IGROUPR: usize = 0x0080;
const GICD_IROUTER: usize = 0x6000;

/// Offsets in the redistributor's RD frame, and of its SGI frame.
const GICR_WAKER: usize = 0x0014;
const SGI_FRAME: usize = 0x1_0000;

/// GICD_CTLR: EnableGrp1 and ARE (non-secure view).
const ENABLE_GROUP_1_AFFINITY: u32 = 1 << 1 | 1 << 4;
/// GICR_WAKER.ProcessorSleep and .ChildrenAsleep.
const PROCESSOR_SLEEP: u32 = 1 << 1;
const CHILDREN_ASLEEP: u32 = 1 << 2;

fn redistributor() -> usize {
    (GICR_BASE + GICR_STRIDE * current_vcpu() as u64) as usize
}

/// The frame of this vCPU's SGIs and PPIs.
pub(super) fn private_frame() -> usize {
    redistributor() + SGI_FRAME
}

/// Wakes the redistributor, enables group 1.
pub(super) fn start() {
    if current_vcpu() == 0 {
        write(DISTRIBUTOR + GICD_CTLR, ENABLE_GROUP_1_AFFINITY);
    }
    let waker = redistributor() + GICR_WAKER;
    write(waker, read(waker) & !PROCESSOR_SLEEP);
    while read(waker) & CHILDREN_ASLEEP != 0 {
        barrier::relax();
    }
    write_icc_pmr_el1(IccPmrEl1::from_bits_retain(PRIORITY_MASK.into()));
    write_icc_igrpen1_el1(IccIgrpen1El1::from_bits_retain(1));
    barrier::context();
}

pub(super) fn route(intid: IntId, frame: usize) {
    let (word, bit) = (4 * (intid.0 as usize / 32), 1 << (intid.0 % 32));
    write(frame + IGROUPR + word, read(frame + IGROUPR + word) | bit);
    if intid.0 >= FIRST_SPI {
        let route = frame + GICD_IROUTER + 8 * intid.0 as usize;
        write(route, 0);
        write(route + 4, 0);
    }
}

pub(super) fn send(intid: IntId, index: usize) {
    let request = u64::from(intid.0) << 24 | 1 << index;
    write_icc_sgi1r_el1(IccSgi1rEl1::from_bits_retain(request));
    barrier::context();
}

pub(super) fn acknowledge() -> u32 {
    read_icc_iar1_el1().bits() as u32 & 0xff_ffff
}

pub(super) fn end(intid: u32) {
    write_icc_eoir1_el1(IccEoir1El1::from_bits_retain(intid.into()));
    barrier::context();
}
