//! GICv3: a distributor, a redistributor per vCPU, and a CPU interface of system registers.
//!
//! Affinity routing is always on. Source: *Arm Generic Interrupt Controller Architecture
//! Specification, GICv3 and GICv4*, IHI 0069; register chapters 12.4 (ICH), 12.9 (GICD), 12.11
//! (GICR).

mod distributor;
mod list;
mod redistributor;
mod sgi;

use crate::bank::Bank;
use crate::intid::{Intid, VcpuSet};
use crate::list::{ListState, Listing};
use crate::version::{Sealed, Version};
use crate::vgic::{Line, VirtualGic, aligned};

pub use list::ListRegister;
use redistributor::Redistributor;
pub use sgi::SgiGroup;

/// GICv3.
#[derive(Clone, Copy, Debug)]
pub struct V3;

impl Version for V3 {}

impl Sealed for V3 {
    /// An affinity: GICD_IROUTER.
    type Route = u64;
    type Own = Redistributor;

    /// The architecture leaves the reset value open with one security state; group 1 is what a
    /// guest that never writes it expects: an IRQ.
    const GROUPS: u32 = u32::MAX;
    const ENABLED: u32 = 0;

    fn target(route: u64) -> Option<usize> {
        usize::try_from(route).ok()
    }

    fn route_at_reset(_: usize) -> u64 {
        0
    }

    fn own_at_reset(vcpu: usize, vcpus: usize) -> Redistributor {
        Redistributor::new(vcpu, vcpu + 1 == vcpus)
    }

    fn list(
        _: &mut Redistributor,
        bank: &mut Bank,
        intid: Intid,
        groups: u8,
        eager: bool,
    ) -> Listing {
        bank.list(intid.in_bank(), intid.get(), groups, eager)
    }

    fn unlist(_: &mut Redistributor, bank: &mut Bank, intid: Intid, state: ListState) {
        bank.unlist(intid.in_bank(), state);
    }

    fn encode(listing: Listing) -> u64 {
        ListRegister::of(listing).into_bits()
    }

    fn state(list: u64) -> ListState {
        ListRegister::from_bits(list).state()
    }
}

/// Bytes of one vCPU's redistributor: RD_base and SGI_base. They follow one another.
pub const REDISTRIBUTOR_BYTES: u64 = 0x2_0000;

/// Which of the guest's two GIC ranges an access hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// GICD, 64 KiB.
    Distributor,
    /// The redistributors of all vCPUs, [`REDISTRIBUTOR_BYTES`] each.
    Redistributors,
}

impl VirtualGic<V3> {
    /// A guest's load of `len_bytes` at `offset` of a frame. Reserved registers, widths that a
    /// register does not have and misaligned offsets read as zero.
    #[must_use]
    pub fn read(&self, frame: Frame, offset: u64, len_bytes: usize) -> u64 {
        if !aligned(offset, len_bytes) {
            return 0;
        }
        match frame {
            Frame::Distributor => match len_bytes {
                1 => self.distributor.read_byte(offset).into(),
                4 => self.distributor.read_word(offset).into(),
                8 => self.distributor.read_double(offset),
                _ => 0,
            },
            Frame::Redistributors => {
                let (vcpu, offset) = locate(offset);
                let Some(private) = self.privates.get(vcpu) else {
                    return 0;
                };
                match len_bytes {
                    1 => private.read_byte(offset).into(),
                    4 => private.read_word(offset).into(),
                    8 => private.read_double(offset),
                    _ => 0,
                }
            }
        }
    }

    /// A guest's store of the low `len_bytes` of `value` at `offset` of a frame. Ignored where
    /// [`Self::read`] reads zero. Returns the vCPUs to wake.
    pub fn write(&mut self, frame: Frame, offset: u64, len_bytes: usize, value: u64) -> VcpuSet {
        if !aligned(offset, len_bytes) {
            return VcpuSet::EMPTY;
        }
        // The casts keep the low bytes, which is what the access carries.
        let affected = match frame {
            Frame::Distributor => {
                let (bank, affected) = match len_bytes {
                    1 => {
                        self.distributor.write_byte(offset, value as u8);
                        (0, 0)
                    }
                    4 => self.distributor.write_word(offset, value as u32),
                    8 => self.distributor.write_double(offset, value),
                    _ => (0, 0),
                };
                let targets = Intid::of_mask(bank + 1, affected)
                    .filter_map(|intid| self.distributor.target(intid));
                targets.fold(VcpuSet::EMPTY, |set, vcpu| set.union(VcpuSet::of(vcpu)))
            }
            Frame::Redistributors => {
                let (vcpu, offset) = locate(offset);
                let Some(private) = self.privates.get_mut(vcpu) else {
                    return VcpuSet::EMPTY;
                };
                let affected = match len_bytes {
                    1 => {
                        private.write_byte(offset, value as u8);
                        0
                    }
                    4 => private.write_word(offset, value as u32),
                    _ => 0,
                };
                if affected == 0 {
                    VcpuSet::EMPTY
                } else {
                    VcpuSet::of(vcpu)
                }
            }
        };
        self.distributor.disown_idle();
        affected.union(self.waiting())
    }

    /// A vCPU's write to an SGI register, which traps (`HCR_EL2.IMO`). Returns the vCPUs to wake.
    pub fn send_sgi(&mut self, from: usize, group: SgiGroup, value: u64) -> VcpuSet {
        let Some((intid, targets)) = sgi::decode(value, from, self.vcpus()) else {
            return VcpuSet::EMPTY;
        };
        let wanted = group == SgiGroup::One;
        targets.iter().fold(VcpuSet::EMPTY, |wake, vcpu| {
            let line = Line::Private { vcpu, intid };
            match self.privates.get(vcpu) {
                // IHI 0069, 12.2.24: an SGI of the other group is not generated.
                Some(private) if private.bank.is_group_1(intid.bit()) == wanted => {
                    wake.union(self.pulse(line))
                }
                _ => wake,
            }
        })
    }
}

/// The vCPU whose redistributor `offset` lies in, and the offset in that. Too large a vCPU is
/// found by whoever looks it up.
fn locate(offset: u64) -> (usize, u64) {
    let vcpu = usize::try_from(offset / REDISTRIBUTOR_BYTES).unwrap_or(usize::MAX);
    (vcpu, offset % REDISTRIBUTOR_BYTES)
}

/// GICD_PIDR2 and GICR_PIDR2, IHI 0069, 12.9.26: ArchRev in bits 7:4 is 3 for GICv3.
const PIDR2: u32 = 0x3 << 4;

/// The 32-bit half of `value` at `offset`, which is a multiple of four.
const fn half_of(value: u64, offset: u64) -> u32 {
    if offset.is_multiple_of(8) {
        value as u32
    } else {
        (value >> 32) as u32
    }
}
