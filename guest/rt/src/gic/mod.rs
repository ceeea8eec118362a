//! The guest's GIC, of the version that its device tree says: one priority, all SPIs to vCPU 0.
//!
//! Distributor and redistributor are emulated, so everything here but acknowledge and end is an
//! exit; a program sets its interrupts up before it measures.
#![expect(unsafe_code, reason = "GIC frames are reached by address")]
// UNSAFETY: distributor, redistributor and CPU interface registers are memory-mapped.

mod v2;
mod v3;

use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use unimux_paravirt::map::GICD_BASE;

use crate::{barrier, mmio};

/// An interrupt identifier: 0 to 15 SGI, 16 to 31 PPI, from 32 SPI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntId(pub u32);

/// An interrupt that was acknowledged and not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken(u32);

impl Taken {
    /// Which.
    pub fn intid(self) -> IntId {
        IntId(self.0 & 0x3ff)
    }

    /// The vCPU that sent it, if it is an SGI of a GICv2; a GICv3 does not tell.
    pub fn sender(self) -> Option<u32> {
        (is_v2() && self.intid().0 < FIRST_PPI).then_some(self.0 >> 10 & 7)
    }
}

/// First INTID that is none (IHI0069, 2.2.1; IHI0048B, 3.2.4): spurious and reserved.
const SPECIAL: u32 = 1020;
/// First PPI.
const FIRST_PPI: u32 = 16;
/// First SPI.
const FIRST_SPI: u32 = 32;

/// Offsets in the distributor, and for SGIs and PPIs of a GICv3 in the redistributor's SGI frame.
const GICD_CTLR: usize = 0x0000;
const ISENABLER: usize = 0x0100;
const ICENABLER: usize = 0x0180;
const IPRIORITYR: usize = 0x0400;
const GICD_ICFGR: usize = 0x0c00;

/// Every interrupt gets this priority; the mask lets all through.
const PRIORITY: u32 = 0xa0;
const PRIORITY_MASK: u32 = 0xff;

/// Whether the tree has a GICv2. All vCPUs start after it was read.
static IS_V2: AtomicBool = AtomicBool::new(false);

/// Notes what the device tree says.
pub(crate) fn set_version(is_v2: bool) {
    IS_V2.store(is_v2, Relaxed);
}

fn is_v2() -> bool {
    IS_V2.load(Relaxed)
}

fn read(address: usize) -> u32 {
    // SAFETY: the callers name registers of the GIC frames, which are mapped at these addresses;
    // reading them has no side effect on memory.
    unsafe { mmio::read32(address) }
}

fn write(address: usize, value: u32) {
    // SAFETY: as above; the write changes the delivery of interrupts and no memory.
    unsafe { mmio::write32(address, value) }
}

const DISTRIBUTOR: usize = GICD_BASE as usize;

/// Prepares this vCPU: lets every priority through. The first vCPU's call enables the distributor
/// too.
pub fn start() {
    if is_v2() {
        v2::start();
    } else {
        v3::start();
    }
}

/// The frame that has the registers of this vCPU's SGIs and PPIs: its redistributor's, or a GICv2's
/// distributor, which each vCPU sees its own of.
pub fn private_frame() -> usize {
    if is_v2() {
        DISTRIBUTOR
    } else {
        v3::private_frame()
    }
}

/// The frame that has the registers of `intid`.
fn frame_of(intid: IntId) -> usize {
    if intid.0 < FIRST_SPI {
        private_frame()
    } else {
        DISTRIBUTOR
    }
}

/// Enables the SPI `intid` as edge-triggered, which an RDMA function's completion interrupt is.
pub fn enable_edge(intid: IntId) {
    let config = DISTRIBUTOR + GICD_ICFGR + 4 * (intid.0 as usize / 16);
    write(config, read(config) | 2 << (2 * (intid.0 % 16)));
    enable(intid);
}

/// Enables `intid` as an IRQ, level or edge as it was (level after reset); an SPI goes to vCPU 0.
pub fn enable(intid: IntId) {
    let frame = frame_of(intid);
    let lane = 8 * (intid.0 % 4);
    let priority = frame + IPRIORITYR + (intid.0 as usize & !3);
    write(
        priority,
        read(priority) & !(0xff << lane) | PRIORITY << lane,
    );
    if is_v2() {
        v2::route(intid);
    } else {
        v3::route(intid, frame);
    }
    let (word, bit) = (4 * (intid.0 as usize / 32), 1 << (intid.0 % 32));
    write(frame + ISENABLER + word, bit);
}

/// Disables `intid`.
pub fn disable(intid: IntId) {
    write(
        frame_of(intid) + ICENABLER + 4 * (intid.0 as usize / 32),
        1 << (intid.0 % 32),
    );
}

/// Sends the SGI `intid` to vCPU `index`. What was stored before is visible to it then.
pub fn send(intid: IntId, index: usize) {
    barrier::all_observers();
    if is_v2() {
        v2::send(intid, index);
    } else {
        v3::send(intid, index);
    }
}

/// Takes the pending interrupt of the highest priority, if there is one. No exit.
pub fn acknowledge() -> Option<Taken> {
    let taken = Taken(if is_v2() {
        v2::acknowledge()
    } else {
        v3::acknowledge()
    });
    barrier::all_observers();
    (taken.intid().0 < SPECIAL).then_some(taken)
}

/// Says that the handling of what was taken is over. No exit.
pub fn end(taken: Taken) {
    if is_v2() {
        v2::end(taken.0);
    } else {
        v3::end(taken.0);
    }
}

/// Sleeps until an interrupt is pending, then acknowledges it, hands it to `handle` and ends it.
/// For programs that keep IRQs masked: no vector is entered.
pub fn wait(handle: impl FnOnce(IntId)) -> IntId {
    loop {
        if let Some(taken) = acknowledge() {
            handle(taken.intid());
            end(taken);
            return taken.intid();
        }
        barrier::wait_for_interrupt();
    }
}
