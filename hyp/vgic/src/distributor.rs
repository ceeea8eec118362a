//! The distributor: what is shared by all vCPUs of a guest.
//!
//! One security state (`GICD_CTLR.DS` = 1), affinity routing always on, no 1-of-N, no LPIs.
//! Reserved and unimplemented registers read as zero and ignore writes.

use crate::bank::Bank;
use crate::intid::{INTIDS, Intid, SPIS, VCPUS_MAX};
use crate::registers::{self, BankRegister, IIDR, PIDR2, half_of};
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

/// The distributor's registers and the shared interrupts' state.
#[derive(Clone, Debug)]
pub(crate) struct Distributor {
    control: Control,
    banks: [Bank; SPIS / 32],
    routes: [u64; SPIS],
    /// The vCPU that has the interrupt listed or has acknowledged it. It stays there until its
    /// end, whatever its route says by then.
    owners: [Option<u8>; SPIS],
}

impl Distributor {
    pub(crate) const fn new() -> Self {
        Self {
            control: Control::new(),
            banks: [const { Bank::shared() }; SPIS / 32],
            routes: [0; SPIS],
            owners: [None; SPIS],
        }
    }

    /// The enabled groups: bit 0 for group 0, bit 1 for group 1.
    pub(crate) const fn groups(&self) -> u8 {
        self.control.group_0() as u8 | (self.control.group_1() as u8) << 1
    }

    pub(crate) fn bank(&self, bank: usize) -> Option<&Bank> {
        self.banks.get(bank)
    }

    pub(crate) fn bank_mut(&mut self, bank: usize) -> Option<&mut Bank> {
        self.banks.get_mut(bank)
    }

    /// The vCPU that a shared interrupt goes to: its owner, else where its route points. `None` if
    /// that is no possible vCPU; the interrupt then waits.
    pub(crate) fn target(&self, intid: Intid) -> Option<usize> {
        let index = intid.shared_index()?;
        let routed = || usize::try_from(self.routes[index]).ok();
        self.owners[index]
            .map_or_else(routed, |owner| Some(owner.into()))
            .filter(|vcpu| *vcpu < VCPUS_MAX)
    }

    /// The shared interrupts that want to be listed on `vcpu`.
    pub(crate) fn wanting(&self, vcpu: usize) -> impl Iterator<Item = Intid> + '_ {
        let groups = self.groups();
        self.banks
            .iter()
            .enumerate()
            .flat_map(move |(bank, state)| Intid::of_mask(bank + 1, state.wanting(groups)))
            .filter(move |intid| self.target(*intid) == Some(vcpu))
    }

    /// Notes that `vcpu` has a shared interrupt listed.
    pub(crate) fn own(&mut self, intid: Intid, vcpu: usize) {
        if let Some(index) = intid.shared_index() {
            self.owners[index] = u8::try_from(vcpu).ok();
        }
    }

    /// Frees shared interrupts that are neither listed nor active from their owner.
    pub(crate) fn disown_idle(&mut self) {
        for (index, owner) in self.owners.iter_mut().enumerate() {
            let bank = &self.banks[index / 32];
            if (bank.listed() | bank.active()) >> (index % 32) & 1 == 0 {
                *owner = None;
            }
        }
    }

    /// A load of four bytes.
    pub(crate) fn read_word(&self, offset: u64) -> u32 {
        match offset {
            CTLR => self
                .control
                .with_affinity_routing(true)
                .with_one_security_state(true)
                .into_bits(),
            TYPER => TYPE,
            IIDR_OFFSET => IIDR,
            PIDR2_OFFSET => PIDR2,
            IROUTER..IROUTER_END => half_of(self.read_route(offset), offset),
            _ => self
                .shared(offset)
                .map_or(0, |(bank, register)| self.banks[bank].read(register)),
        }
    }

    /// A store of four bytes. Returns the listed interrupts that it affects: bank and bits.
    pub(crate) fn write_word(&mut self, offset: u64, value: u32) -> (usize, u32) {
        match offset {
            CTLR => {
                let value = Control::from_bits(value);
                self.control = Control::new()
                    .with_group_0(value.group_0())
                    .with_group_1(value.group_1());
                (0, 0)
            }
            IROUTER..IROUTER_END => {
                let old = self.read_route(offset);
                let shift = 8 * (offset % 8);
                let kept = old & !(u64::from(u32::MAX) << shift);
                self.write_route(offset, kept | u64::from(value) << shift)
            }
            _ => self.shared(offset).map_or((0, 0), |(bank, register)| {
                (bank, self.banks[bank].write(register, value))
            }),
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

    /// The bank and register at `offset`, for banks that exist. Bank 0 of the frame is reserved.
    fn shared(&self, offset: u64) -> Option<(usize, BankRegister)> {
        let (bank, register) = registers::decode(offset)?;
        let bank = bank.checked_sub(1)?;
        (bank < self.banks.len()).then_some((bank, register))
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

/// Bank and index of the shared interrupt `number`.
fn shared_intid(number: usize) -> Option<(usize, usize)> {
    let intid = Intid::new(u32::try_from(number).ok()?)?;
    Some((intid.shared_bank()?, intid.in_bank()))
}
