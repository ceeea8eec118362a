//! The distributor's registers, as one of the guest's vCPUs sees them.
//!
//! No Security Extensions. Source: IHI 0048B, 4.3; table 4-1 for the offsets. Registers of private
//! interrupts and of SGIs are banked: each vCPU has its own. Reserved registers read as zero and
//! ignore writes, and so do words that are not aligned, and bytes of registers that have none.

use super::V2;
use super::senders::SGIS;
use crate::intid::{INTIDS, Intid, PRIVATE, VcpuSet};
use crate::registers::{self, BankRegister, IIDR, shared_intid};
use crate::vgic::{Line, VirtualGic, aligned};
use bitfield_struct::bitfield;

/// GICD_TYPER, 4.3.2.
#[bitfield(u32)]
struct Type {
    /// ITLinesNumber: INTIDs are 32 × (this + 1).
    #[bits(5)]
    lines: u8,
    /// CPUNumber: CPU interfaces, minus one.
    #[bits(3)]
    vcpus: u8,
    #[bits(24)]
    __: u32,
}

/// GICD_SGIR, 4.3.15. NSATT means nothing without Security Extensions.
#[bitfield(u32)]
struct SoftwareInterrupt {
    /// SGIINTID.
    #[bits(4)]
    sgi: u8,
    #[bits(12)]
    __: u16,
    /// CPUTargetList.
    targets: u8,
    /// TargetListFilter.
    #[bits(2)]
    filter: u8,
    #[bits(6)]
    __: u8,
}

const CTLR: u64 = 0x000;
const TYPER: u64 = 0x004;
const IIDR_OFFSET: u64 = 0x008;
const SGIR: u64 = 0xF00;
const PIDR2_OFFSET: u64 = 0xFE8;
/// GICD_ICPIDR2, 4.3.18: ArchRev in bits 7:4 is 2 for GICv2.
const PIDR2: u32 = 0x2 << 4;

/// SGIs in the registers of bank 0. Their pending state is only read there (4.3.7, 4.3.8), and they
/// are always enabled, as 4.3.5 allows.
const SGI_BITS: u32 = (1 << SGIS) - 1;

/// A register of one byte per interrupt, which takes byte accesses (4.1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ByteRegister {
    /// GICD_IPRIORITYR of an interrupt.
    Priority(usize),
    /// GICD_ITARGETSR of an interrupt.
    Targets(usize),
    /// GICD_CPENDSGIR of an SGI.
    ClearSgi(usize),
    /// GICD_SPENDSGIR of an SGI.
    SetSgi(usize),
}

impl ByteRegister {
    fn decode(offset: u64) -> Option<Self> {
        let from = |first: u64| (offset - first) as usize;
        match offset {
            0x400..0x7FC => Some(Self::Priority(from(0x400))),
            0x800..0xBFC => Some(Self::Targets(from(0x800))),
            0xF10..0xF20 => Some(Self::ClearSgi(from(0xF10))),
            0xF20..0xF30 => Some(Self::SetSgi(from(0xF20))),
            _ => None,
        }
    }
}

impl VirtualGic<V2> {
    /// A load by `vcpu` of `len_bytes` at `offset` of the distributor. Reserved registers, widths
    /// that a register does not have and misaligned offsets read as zero.
    #[must_use]
    pub fn read(&self, vcpu: usize, offset: u64, len_bytes: usize) -> u64 {
        if vcpu >= self.vcpus() || !aligned(offset, len_bytes) {
            return 0;
        }
        match len_bytes {
            1 => self.read_byte(vcpu, offset).into(),
            4 => self.read_word(vcpu, offset).into(),
            _ => 0,
        }
    }

    /// A store by `vcpu` of the low `len_bytes` of `value` at `offset` of the distributor. Ignored
    /// where [`Self::read`] reads zero. Returns the vCPUs to wake.
    pub fn write(&mut self, vcpu: usize, offset: u64, len_bytes: usize, value: u64) -> VcpuSet {
        if vcpu >= self.vcpus() || !aligned(offset, len_bytes) {
            return VcpuSet::EMPTY;
        }
        // The casts keep the low bytes, which is what the access carries.
        if (offset, len_bytes) == (SGIR, 4) {
            return self.send_sgi(vcpu, SoftwareInterrupt::from_bits(value as u32));
        }
        let affected = match len_bytes {
            1 => self.write_byte(vcpu, offset, value as u8),
            4 => self.write_word(vcpu, offset, value as u32),
            _ => VcpuSet::EMPTY,
        };
        self.distributor.disown_idle();
        affected.union(self.waiting())
    }

    fn read_word(&self, vcpu: usize, offset: u64) -> u32 {
        match offset {
            CTLR => self.distributor.groups.into(),
            TYPER => Type::new()
                .with_lines((INTIDS / 32 - 1) as u8)
                .with_vcpus((self.vcpus() - 1) as u8)
                .into_bits(),
            IIDR_OFFSET => IIDR,
            PIDR2_OFFSET => PIDR2,
            _ if ByteRegister::decode(offset).is_some() => {
                let bytes = [0, 1, 2, 3].map(|byte| self.read_byte(vcpu, offset + byte));
                u32::from_le_bytes(bytes)
            }
            _ => match registers::decode(offset) {
                Some((0, register)) => self.privates[vcpu].bank.read(register),
                _ => self.distributor.read_shared(offset),
            },
        }
    }

    /// Returns the vCPUs whose list registers are not right any more.
    fn write_word(&mut self, vcpu: usize, offset: u64, value: u32) -> VcpuSet {
        match offset {
            CTLR => {
                self.distributor.groups = value as u8 & 0b11;
                VcpuSet::EMPTY
            }
            _ if ByteRegister::decode(offset).is_some() => (offset..)
                .zip(value.to_le_bytes())
                .fold(VcpuSet::EMPTY, |affected, (offset, byte)| {
                    affected.union(self.write_byte(vcpu, offset, byte))
                }),
            _ => match registers::decode(offset) {
                Some((0, register)) => {
                    let value = match register {
                        BankRegister::ClearEnable
                        | BankRegister::SetPending
                        | BankRegister::ClearPending => value & !SGI_BITS,
                        _ => value,
                    };
                    of_own(vcpu, self.privates[vcpu].bank.write(register, value))
                }
                _ => {
                    let (bank, affected) = self.distributor.write_shared(offset, value);
                    Intid::of_mask(bank + 1, affected)
                        .filter_map(|intid| self.distributor.target(intid))
                        .fold(VcpuSet::EMPTY, |set, vcpu| set.union(VcpuSet::of(vcpu)))
                }
            },
        }
    }

    fn read_byte(&self, vcpu: usize, offset: u64) -> u8 {
        let private = &self.privates[vcpu];
        match ByteRegister::decode(offset) {
            Some(ByteRegister::Priority(intid @ 0..PRIVATE)) => private.bank.priority(intid),
            Some(ByteRegister::Priority(intid)) => shared_intid(intid)
                .map_or(0, |(bank, index)| {
                    self.distributor.banks[bank].priority(index)
                }),
            Some(ByteRegister::Targets(_)) if self.vcpus() == 1 => 0,
            Some(ByteRegister::Targets(0..PRIVATE)) => VcpuSet::of(vcpu).bits(),
            Some(ByteRegister::Targets(intid)) => self
                .distributor
                .routes
                .get(intid - PRIVATE)
                .map_or(0, |targets| targets.bits()),
            Some(ByteRegister::ClearSgi(sgi) | ByteRegister::SetSgi(sgi)) => {
                private.own.of(&private.bank, sgi).bits()
            }
            None => 0,
        }
    }

    fn write_byte(&mut self, vcpu: usize, offset: u64, value: u8) -> VcpuSet {
        let all = VcpuSet::first(self.vcpus());
        let set = VcpuSet::from_bits(value).intersection(all);
        let private = &mut self.privates[vcpu];
        match ByteRegister::decode(offset) {
            Some(ByteRegister::Priority(intid @ 0..PRIVATE)) => {
                private.bank.set_priority(intid, value);
                VcpuSet::EMPTY
            }
            Some(ByteRegister::Priority(intid)) => {
                if let Some((bank, index)) = shared_intid(intid) {
                    self.distributor.banks[bank].set_priority(index, value);
                }
                VcpuSet::EMPTY
            }
            Some(ByteRegister::Targets(intid)) => self.write_targets(intid, set),
            Some(ByteRegister::ClearSgi(sgi)) => {
                let stale = private.own.remove(&mut private.bank, sgi, set);
                of_own(vcpu, stale.into())
            }
            Some(ByteRegister::SetSgi(sgi)) => self.add_sgi(vcpu, sgi, set),
            None => VcpuSet::EMPTY,
        }
    }

    /// GICD_ITARGETSR, 4.3.12. Those of private interrupts, and of a GIC with one CPU interface,
    /// ignore writes.
    fn write_targets(&mut self, intid: usize, targets: VcpuSet) -> VcpuSet {
        let index = intid.checked_sub(PRIVATE).filter(|_| self.vcpus() > 1);
        let Some(index) = index.filter(|it| *it < self.distributor.routes.len()) else {
            return VcpuSet::EMPTY;
        };
        self.distributor.routes[index] = targets;
        let bank = &self.distributor.banks[index / 32];
        if bank.listed() >> (index % 32) & 1 == 0 {
            return VcpuSet::EMPTY;
        }
        u32::try_from(intid)
            .ok()
            .and_then(Intid::new)
            .and_then(|intid| self.distributor.target(intid))
            .map_or(VcpuSet::EMPTY, VcpuSet::of)
    }

    fn send_sgi(&mut self, from: usize, request: SoftwareInterrupt) -> VcpuSet {
        let all = VcpuSet::first(self.vcpus());
        let targets = match request.filter() {
            0b00 => VcpuSet::from_bits(request.targets()).intersection(all),
            0b01 => all.without(from),
            0b10 => VcpuSet::of(from),
            _ => VcpuSet::EMPTY,
        };
        targets.iter().fold(VcpuSet::EMPTY, |wake, vcpu| {
            wake.union(self.add_sgi(vcpu, request.sgi().into(), VcpuSet::of(from)))
        })
    }

    /// SGI `sgi` of `senders` becomes pending on `vcpu`.
    fn add_sgi(&mut self, vcpu: usize, sgi: usize, senders: VcpuSet) -> VcpuSet {
        let intid = u32::try_from(sgi).ok().and_then(Intid::new);
        let (Some(intid), false) = (intid, senders.is_empty()) else {
            return VcpuSet::EMPTY;
        };
        self.privates[vcpu].own.add(sgi, senders);
        self.pulse(Line::Private { vcpu, intid })
    }
}

/// The vCPU that wrote, if listed interrupts of its own are affected.
fn of_own(vcpu: usize, affected: u32) -> VcpuSet {
    if affected == 0 {
        VcpuSet::EMPTY
    } else {
        VcpuSet::of(vcpu)
    }
}
