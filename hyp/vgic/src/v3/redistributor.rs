//! A redistributor: what one vCPU has for itself. Two frames of 64 KiB, RD_base and SGI_base.
//!
//! No LPIs (`GICR_TYPER.PLPIS` = 0), so the LPI registers read as zero. `GICR_WAKER` behaves as
//! written, but a sleeping redistributor holds nothing back: guests that never wake it exist.

use super::{PIDR2, V3, half_of};
use crate::private::Private;
use crate::registers::{self, BankRegister, IIDR};
use bitfield_struct::bitfield;

/// GICR_TYPER, IHI 0069, 12.11.35, the fields that are not zero.
#[bitfield(u64)]
struct Type {
    #[bits(4)]
    __: u8,
    /// The last redistributor of the contiguous range.
    last: bool,
    #[bits(3)]
    __: u8,
    /// Processor_Number.
    number: u16,
    __: u8,
    /// Affinity_Value: Aff3 to Aff0.
    affinity: u32,
}

/// GICR_WAKER, IHI 0069, 12.11.42.
const PROCESSOR_SLEEP: u32 = 1 << 1;
const CHILDREN_ASLEEP: u32 = 1 << 2;

const IIDR_OFFSET: u64 = 0x0004;
const TYPER: u64 = 0x0008;
const TYPER_HIGH: u64 = 0x000C;
const WAKER: u64 = 0x0014;
const PIDR2_OFFSET: u64 = 0xFFE8;
/// Distance from RD_base to SGI_base.
const SGI_BASE: u64 = 0x1_0000;

/// What a redistributor has beside the interrupts.
#[derive(Clone, Debug)]
pub struct Redistributor {
    kind: u64,
    asleep: bool,
}

impl Redistributor {
    /// The redistributor of `vcpu`; `last` ends the guest's search for its own.
    pub(super) const fn new(vcpu: usize, last: bool) -> Self {
        Self {
            kind: Type::new()
                .with_last(last)
                .with_number(vcpu as u16)
                .with_affinity(vcpu as u32)
                .into_bits(),
            asleep: true,
        }
    }
}

impl Private<V3> {
    /// A load of four bytes.
    pub(crate) fn read_word(&self, offset: u64) -> u32 {
        match offset {
            IIDR_OFFSET => IIDR,
            TYPER | TYPER_HIGH => half_of(self.own.kind, offset),
            WAKER if self.own.asleep => PROCESSOR_SLEEP | CHILDREN_ASLEEP,
            PIDR2_OFFSET => PIDR2,
            _ => private(offset).map_or(0, |register| self.bank.read(register)),
        }
    }

    /// A store of four bytes. Returns the listed private interrupts that it affects.
    pub(crate) fn write_word(&mut self, offset: u64, value: u32) -> u32 {
        if offset == WAKER {
            self.own.asleep = value & PROCESSOR_SLEEP != 0;
        }
        private(offset).map_or(0, |register| self.bank.write(register, value))
    }

    /// A load of eight bytes: only GICR_TYPER is that wide here.
    pub(crate) fn read_double(&self, offset: u64) -> u64 {
        if offset == TYPER { self.own.kind } else { 0 }
    }

    /// A load of one byte: only IPRIORITYR allows it.
    pub(crate) fn read_byte(&self, offset: u64) -> u8 {
        priority_index(offset).map_or(0, |index| self.bank.priority(index))
    }

    /// A store of one byte.
    pub(crate) fn write_byte(&mut self, offset: u64, value: u8) {
        if let Some(index) = priority_index(offset) {
            self.bank.set_priority(index, value);
        }
    }
}

/// The register at `offset` in SGI_base; the frame has bank 0 only.
fn private(offset: u64) -> Option<BankRegister> {
    match registers::decode(offset.checked_sub(SGI_BASE)?)? {
        (0, register) => Some(register),
        _ => None,
    }
}

fn priority_index(offset: u64) -> Option<usize> {
    registers::priority_byte(offset.checked_sub(SGI_BASE)?).filter(|index| *index < 32)
}
