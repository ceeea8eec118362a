//! The guest's GICv3: one priority, group 1, no routing beyond vCPU 0.
//!
//! Distributor and redistributor are emulated, so everything here but acknowledge and end is an
//! exit; a program sets its interrupts up before it measures. Registers: IHI0069, 12.
#![expect(unsafe_code, reason = "GIC frames are reached by address")]
// UNSAFETY: distributor and redistributor registers are memory-mapped.

use arm_sysregs::el1::accessors::{
    read_icc_iar1_el1, write_icc_eoir1_el1, write_icc_igrpen1_el1, write_icc_pmr_el1,
};
use arm_sysregs::el1::registers::{IccEoir1El1, IccIgrpen1El1, IccPmrEl1};
use unimux_paravirt::map::{GICD_BASE, GICR_BASE, GICR_STRIDE};

use crate::exception::current_vcpu;
use crate::{barrier, mmio};

/// An interrupt identifier: 0 to 15 SGI, 16 to 31 PPI, from 32 SPI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntId(pub u32);

/// First INTID that is none (IHI0069, 2.2.1): spurious and reserved.
const SPECIAL: u32 = 1020;
/// First SPI.
const FIRST_SPI: u32 = 32;

/// Offsets in the distributor, and for SGIs and PPIs in the redistributor's SGI frame.
const GICD_CTLR: usize = 0x0000;
const IGROUPR: usize = 0x0080;
const ISENABLER: usize = 0x0100;
const ICENABLER: usize = 0x0180;
const IPRIORITYR: usize = 0x0400;
const GICD_ICFGR: usize = 0x0c00;
const GICD_IROUTER: usize = 0x6000;

/// Offsets in the redistributor's RD frame, and of its SGI frame.
const GICR_WAKER: usize = 0x0014;
const SGI_FRAME: usize = 0x1_0000;

/// GICD_CTLR: EnableGrp1 and ARE (non-secure view).
const ENABLE_GROUP_1_AFFINITY: u32 = 1 << 1 | 1 << 4;
/// GICR_WAKER.ProcessorSleep and .ChildrenAsleep.
const PROCESSOR_SLEEP: u32 = 1 << 1;
const CHILDREN_ASLEEP: u32 = 1 << 2;
/// Every interrupt gets this priority; the mask lets all through.
const PRIORITY: u32 = 0xa0;
const PRIORITY_MASK: u64 = 0xff;

fn read(address: usize) -> u32 {
    // SAFETY: the callers below name registers of the GIC frames, which are mapped at these
    // addresses; reading them has no side effect on memory.
    unsafe { mmio::read32(address) }
}

fn write(address: usize, value: u32) {
    // SAFETY: as above; the write changes the delivery of interrupts and no memory.
    unsafe { mmio::write32(address, value) }
}

fn redistributor() -> usize {
    (GICR_BASE + GICR_STRIDE * current_vcpu() as u64) as usize
}

/// Prepares this vCPU: wakes its redistributor, enables group 1, lets every priority through. The
/// first vCPU's call enables the distributor too.
pub fn start() {
    if current_vcpu() == 0 {
        write(GICD_BASE as usize + GICD_CTLR, ENABLE_GROUP_1_AFFINITY);
    }
    let waker = redistributor() + GICR_WAKER;
    write(waker, read(waker) & !PROCESSOR_SLEEP);
    while read(waker) & CHILDREN_ASLEEP != 0 {
        barrier::relax();
    }
    write_icc_pmr_el1(IccPmrEl1::from_bits_retain(PRIORITY_MASK));
    write_icc_igrpen1_el1(IccIgrpen1El1::from_bits_retain(1));
    barrier::context();
}

/// The frame that has the registers of `intid`.
fn frame_of(intid: IntId) -> usize {
    if intid.0 < FIRST_SPI {
        redistributor() + SGI_FRAME
    } else {
        GICD_BASE as usize
    }
}

/// Enables the SPI `intid` as edge-triggered, which an RDMA function's completion interrupt is.
pub fn enable_edge(intid: IntId) {
    let config = GICD_BASE as usize + GICD_ICFGR + 4 * (intid.0 as usize / 16);
    write(config, read(config) | 2 << (2 * (intid.0 % 16)));
    enable(intid);
}

/// Enables `intid`: group 1, level or edge as it was (level after reset); an SPI goes to vCPU 0.
pub fn enable(intid: IntId) {
    let frame = frame_of(intid);
    let (word, bit) = (4 * (intid.0 as usize / 32), 1 << (intid.0 % 32));
    write(frame + IGROUPR + word, read(frame + IGROUPR + word) | bit);
    let lane = 8 * (intid.0 % 4);
    let priority = frame + IPRIORITYR + (intid.0 as usize & !3);
    write(
        priority,
        read(priority) & !(0xff << lane) | PRIORITY << lane,
    );
    if intid.0 >= FIRST_SPI {
        let route = frame + GICD_IROUTER + 8 * intid.0 as usize;
        write(route, 0);
        write(route + 4, 0);
    }
    write(frame + ISENABLER + word, bit);
}

/// Disables `intid`.
pub fn disable(intid: IntId) {
    write(
        frame_of(intid) + ICENABLER + 4 * (intid.0 as usize / 32),
        1 << (intid.0 % 32),
    );
}

/// Takes the pending interrupt of the highest priority, if there is one. No exit.
pub fn acknowledge() -> Option<IntId> {
    let intid = read_icc_iar1_el1().bits() as u32 & 0xff_ffff;
    barrier::all_observers();
    (intid < SPECIAL).then_some(IntId(intid))
}

/// Says that the handling of `intid` is over. No exit.
pub fn end(intid: IntId) {
    write_icc_eoir1_el1(IccEoir1El1::from_bits_retain(intid.0.into()));
    barrier::context();
}

/// Sleeps until an interrupt is pending, then acknowledges it, hands it to `handle` and ends it.
/// For programs that keep IRQs masked: no vector is entered.
pub fn wait(handle: impl FnOnce(IntId)) -> IntId {
    loop {
        if let Some(intid) = acknowledge() {
            handle(intid);
            end(intid);
            return intid;
        }
        barrier::wait_for_interrupt();
    }
}
