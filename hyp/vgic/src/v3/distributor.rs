//! The distributor's registers.
//!
//! One security state (`GICD_CTLR.DS` = 1), affinity routing always on, no 1-of-N, no LPIs.
//! Reserved and unimplemented registers read as zero and ignore writes.

use super::{PIDR2, V3, half_of};
use crate::distributor::Distributor;
use crate::intid::{INTIDS, SPIS};
use crate::registers::{self, IIDR, shared_intid};
use bitfield_struct::bitfield;

/// GICD_CTLR with one security state, IHI 0069, 12.9.4.
#[bitfield(u32)]
struct Control {
    /// EnableGrp0.
    group_0: bool,
    /// EnableGrp1.
    group_1: bool,
    #[bits(2)]
    __: u8,
    /// ARE: reads as one.
    affinity_routing: bool,
    __: bool,
    /// DS: reads as one.
    one_security_state: bool,
    #[bits(25)]
    __: u32,
}

/// GICD_TYPER, IHI 0069, 12.9.38.
#[bitfield(u32)]
struct Type {
    /// ITLinesNumber: INTIDs are 32 × (this + 1).
    #[bits(5)]
    lines: u8,
    #[bits(14)]
    __: u16,
    /// IDbits: bits of an INTID, minus one.
    #[bits(5)]
    id_bits: u8,
    /// A3V.
    affinity_3: bool,
    /// No1N: 1-of-N routing is not supported.
    no_one_of_n: bool,
    #[bits(6)]
    __: u8,
}

const TYPE: u32 = Type::new()
    .with_lines((INTIDS / 32 - 1) as u8)
    .with_id_bits(9)
    .with_no_one_of_n(true)
    .into_bits();

const CTLR: u64 = 0x0000;
const TYPER: u64 = 0x0004;
const IIDR_OFFSET: u64 = 0x0008;
/// GICD_IROUTER32, the first; 8 bytes each.
const IROUTER: u64 = 0x6100;
const IROUTER_END: u64 = IROUTER + 8 * SPIS as u64;
const PIDR2_OFFSET: u64 = 0xFFE8;

/// GICD_IROUTER, IHI 0069, 12.9.22: Aff3 and Aff2 to Aff0. Interrupt_Routing_Mode reads as zero
/// because No1N is set.
const ROUTE_MASK: u64 = 0xFF_00FF_FFFF;

impl Distributor<V3> {
    /// A load of four bytes.
    pub(crate) fn read_word(&self, offset: u64) -> u32 {
        match offset {
            CTLR => Control::new()
                .with_group_0(self.groups & 1 != 0)
                .with_group_1(self.groups & 2 != 0)
                .with_affinity_routing(true)
                .with_one_security_state(true)
                .into_bits(),
            TYPER => TYPE,
            IIDR_OFFSET => IIDR,
            PIDR2_OFFSET => PIDR2,
            IROUTER..IROUTER_END => half_of(self.read_route(offset), offset),
            _ => self.read_shared(offset),
        }
    }

    /// A store of four bytes. Returns the listed interrupts that it affects: bank and bits.
    pub(crate) fn write_word(&mut self, offset: u64, value: u32) -> (usize, u32) {
        match offset {
            CTLR => {
                self.groups = value as u8 & 0b11;
                (0, 0)
            }
            IROUTER..IROUTER_END => {
                let old = self.read_route(offset);
                let shift = 8 * (offset % 8);
                let kept = old & !(u64::from(u32::MAX) << shift);
                self.write_route(offset, kept | u64::from(value) << shift)
            }
            _ => self.write_shared(offset, value),
        }
    }

    /// A load of eight bytes: only IROUTER is that wide.
    pub(crate) fn read_double(&self, offset: u64) -> u64 {
        self.read_route(offset)
    }

    /// A store of eight bytes.
    pub(crate) fn write_double(&mut self, offset: u64, value: u64) -> (usize, u32) {
        self.write_route(offset, value)
    }

    /// A load of one byte: only IPRIORITYR allows it (IHI 0069, 12.1.3).
    pub(crate) fn read_byte(&self, offset: u64) -> u8 {
        let intid = registers::priority_byte(offset).and_then(shared_intid);
        intid.map_or(0, |(bank, index)| self.banks[bank].priority(index))
    }

    /// A store of one byte.
    pub(crate) fn write_byte(&mut self, offset: u64, value: u8) {
        if let Some((bank, index)) = registers::priority_byte(offset).and_then(shared_intid) {
            self.banks[bank].set_priority(index, value);
        }
    }

    fn read_route(&self, offset: u64) -> u64 {
        route_index(offset).map_or(0, |index| self.routes[index])
    }

    fn write_route(&mut self, offset: u64, value: u64) -> (usize, u32) {
        let Some(index) = route_index(offset) else {
            return (0, 0);
        };
        self.routes[index] = value & ROUTE_MASK;
        (
            index / 32,
            self.banks[index / 32].listed() & 1 << (index % 32),
        )
    }
}

/// Which IROUTER `offset` lies in.
fn route_index(offset: u64) -> Option<usize> {
    (IROUTER..IROUTER_END)
        .contains(&offset)
        .then(|| ((offset - IROUTER) / 8) as usize)
}
