//! The virtual GIC as the EL2 crate uses it.
//!
//! Wiring only: registers are in `distributor.rs` and `redistributor.rs`, the states of an
//! interrupt in `bank.rs`, the choice of list registers in `delivery.rs`.

use crate::bank::Bank;
use crate::delivery::{Pick, Refill, Urgency};
use crate::distributor::Distributor;
use crate::intid::{Intid, VCPUS_MAX, VcpuSet};
use crate::redistributor::Redistributor;
use crate::sgi::{self, SgiGroup};

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

/// An interrupt input of the guest's GIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// An SGI or PPI of one vCPU.
    Private {
        /// Whose.
        vcpu: usize,
        /// Which, below 32.
        intid: Intid,
    },
    /// An SPI.
    Shared(Intid),
}

/// The virtual GICv3 of one guest.
#[derive(Clone, Debug)]
pub struct VirtualGic {
    distributor: Distributor,
    redistributors: heapless::Vec<Redistributor, VCPUS_MAX>,
}

impl VirtualGic {
    /// A GIC after reset, for a guest of `vcpus` vCPUs.
    ///
    /// # Panics
    /// If `vcpus` is not 1 to [`VCPUS_MAX`]: the scenario was checked before.
    #[must_use]
    pub fn new(vcpus: usize) -> Self {
        assert!((1..=VCPUS_MAX).contains(&vcpus), "1 to 8 vCPUs");
        Self {
            distributor: Distributor::new(),
            redistributors: (0..vcpus)
                .map(|vcpu| Redistributor::new(vcpu, vcpu + 1 == vcpus))
                .collect(),
        }
    }

    /// How many vCPUs the guest has.
    #[must_use]
    pub fn vcpus(&self) -> usize {
        self.redistributors.len()
    }

    /// Back to reset, for a guest that is started again. No vCPU may be running, and what their
    /// list registers hold is forgotten. A physical interrupt that the dead guest left active
    /// comes out of the next [`Self::refill`] of its vCPU, see [`Refill::release`].
    pub fn reset(&mut self) {
        self.distributor = Distributor::new();
        for redistributor in &mut self.redistributors {
            redistributor.reset();
        }
    }

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
                let Some(redistributor) = self.redistributors.get(vcpu) else {
                    return 0;
                };
                match len_bytes {
                    1 => redistributor.read_byte(offset).into(),
                    4 => redistributor.read_word(offset).into(),
                    8 => redistributor.read_double(offset),
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
                let Some(redistributor) = self.redistributors.get_mut(vcpu) else {
                    return VcpuSet::EMPTY;
                };
                let affected = match len_bytes {
                    1 => {
                        redistributor.write_byte(offset, value as u8);
                        0
                    }
                    4 => redistributor.write_word(offset, value as u32),
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
            match self.bank(line) {
                // IHI 0069, 12.2.24: an SGI of the other group is not generated.
                Some(bank) if bank.is_group_1(intid.bit()) == wanted => {
                    wake.union(self.pulse(line))
                }
                _ => wake,
            }
        })
    }

    /// An edge on an interrupt: it is pending until the guest acknowledges it, whether the guest
    /// has configured it as edge or level. Returns the vCPU to wake, if it can be delivered.
    ///
    /// Edges that meet before a refill are one. An edge that meets a listed one is kept by itself:
    /// only the vCPU's core knows whether the listed one was acknowledged before or after. So a
    /// handler runs after every edge, and at most once for each.
    pub fn pulse(&mut self, line: Line) -> VcpuSet {
        self.change(line, Bank::pulse)
    }

    /// The wire of an emulated device goes to `level`. A level-sensitive interrupt is delivered
    /// again and again while it is high; an edge-triggered one once when it rises.
    pub fn assert(&mut self, line: Line, level: bool) -> VcpuSet {
        self.change(line, |bank, bit| bank.assert(bit, level))
    }

    /// A physical private interrupt that EL2 has acknowledged on the vCPU's core and dropped the
    /// priority of (`ICC_EOIR1_EL1` with EOImode 1) goes to the guest. It stays active there, so
    /// it cannot fire again, until the guest ends the virtual one: the list register links the two
    /// (HW = 1). This is how the virtual timer's PPI 27 gets in.
    pub fn forward(&mut self, vcpu: usize, intid: Intid) -> VcpuSet {
        if !intid.is_private() {
            return VcpuSet::EMPTY;
        }
        self.change(Line::Private { vcpu, intid }, Bank::forward)
    }

    /// Chooses what goes into the vCPU's list registers, of which the core has `room`. Last thing
    /// before entry, on the vCPU's own core.
    pub fn refill(&mut self, vcpu: usize, room: usize) -> Refill {
        // Whatever is still listed was written and never run with.
        let _ = self.retire(vcpu, &[]);
        let groups = self.distributor.groups();
        let Some(redistributor) = self.redistributors.get_mut(vcpu) else {
            return Refill::default();
        };
        let release = redistributor.bank.take_orphans();

        let mut pick = Pick::new(room);
        for intid in Intid::of_mask(0, redistributor.bank.wanting(groups)) {
            pick.offer(urgency(&redistributor.bank, intid), intid);
        }
        for intid in self.distributor.wanting(vcpu) {
            let bank = intid
                .shared_bank()
                .and_then(|bank| self.distributor.bank(bank));
            if let Some(bank) = bank {
                pick.offer(urgency(bank, intid), intid);
            }
        }
        let (chosen, overflow) = pick.finish();

        let mut lists = heapless::Vec::new();
        for intid in chosen {
            let bank = match intid.shared_bank() {
                Some(bank) => self.distributor.bank_mut(bank),
                None => Some(&mut redistributor.bank),
            };
            if let Some(bank) = bank {
                let list = bank.list(intid.in_bank(), intid.get(), groups, overflow);
                self.distributor.own(intid, vcpu);
                redistributor.listed.push(intid, list);
                let pushed = lists.push(list);
                assert!(
                    pushed.is_ok(),
                    "as many are picked as there are list registers"
                );
            }
        }
        Refill::new(lists, overflow, release)
    }

    /// Takes the state of the listed interrupts back. `lists` are the values of `ICH_LR0_EL2` and
    /// on as read after the exit. Returns other vCPUs to wake, to which an interrupt has moved.
    pub fn retire(&mut self, vcpu: usize, lists: &[u64]) -> VcpuSet {
        let Some(redistributor) = self.redistributors.get_mut(vcpu) else {
            return VcpuSet::EMPTY;
        };
        let mut shared = false;
        for (intid, state) in redistributor.listed.take(lists) {
            match intid.shared_bank() {
                None => redistributor.bank.unlist(intid.in_bank(), state),
                Some(bank) => {
                    shared = true;
                    if let Some(bank) = self.distributor.bank_mut(bank) {
                        bank.unlist(intid.in_bank(), state);
                    }
                }
            }
        }
        if !shared {
            return VcpuSet::EMPTY;
        }
        self.distributor.disown_idle();
        self.waiting().without(vcpu)
    }

    /// Whether an interrupt waits for this vCPU that is not in its list registers.
    #[must_use]
    pub fn is_waiting(&self, vcpu: usize) -> bool {
        let groups = self.distributor.groups();
        self.redistributors.get(vcpu).is_some_and(|redistributor| {
            redistributor.bank.wanting(groups) != 0
                || self.distributor.wanting(vcpu).next().is_some()
        })
    }

    /// All vCPUs for which [`Self::is_waiting`].
    fn waiting(&self) -> VcpuSet {
        (0..self.vcpus())
            .filter(|vcpu| self.is_waiting(*vcpu))
            .fold(VcpuSet::EMPTY, |set, vcpu| set.union(VcpuSet::of(vcpu)))
    }

    fn bank(&self, line: Line) -> Option<&Bank> {
        match line {
            Line::Private { vcpu, .. } => Some(&self.redistributors.get(vcpu)?.bank),
            Line::Shared(intid) => self.distributor.bank(intid.shared_bank()?),
        }
    }

    /// Changes one interrupt and tells whom to wake: its vCPU, if it is listed there (the list
    /// register is stale now) or wants to be.
    fn change(&mut self, line: Line, change: impl FnOnce(&mut Bank, u32)) -> VcpuSet {
        let groups = self.distributor.groups();
        let (intid, bank) = match line {
            Line::Private { vcpu, intid } if intid.is_private() => {
                let redistributor = self.redistributors.get_mut(vcpu);
                (
                    intid,
                    redistributor.map(|redistributor| &mut redistributor.bank),
                )
            }
            Line::Private { .. } => return VcpuSet::EMPTY,
            Line::Shared(intid) => {
                let bank = intid.shared_bank();
                (intid, bank.and_then(|bank| self.distributor.bank_mut(bank)))
            }
        };
        let Some(bank) = bank else {
            return VcpuSet::EMPTY;
        };
        change(bank, intid.bit());
        if (bank.listed() | bank.wanting(groups)) & intid.bit() == 0 {
            return VcpuSet::EMPTY;
        }
        let vcpu = match line {
            Line::Private { vcpu, .. } => Some(vcpu),
            Line::Shared(intid) => self.distributor.target(intid),
        };
        vcpu.filter(|vcpu| *vcpu < self.vcpus())
            .map_or(VcpuSet::EMPTY, VcpuSet::of)
    }
}

fn urgency(bank: &Bank, intid: Intid) -> Urgency {
    Urgency {
        inactive: bank.active() & intid.bit() == 0,
        priority: bank.priority(intid.in_bank()),
    }
}

/// Whether an access has a width that exists and is aligned to it.
fn aligned(offset: u64, len_bytes: usize) -> bool {
    matches!(len_bytes, 1 | 2 | 4 | 8) && offset.is_multiple_of(len_bytes as u64)
}

/// The vCPU whose redistributor `offset` lies in, and the offset in that. Too large a vCPU is
/// found by whoever looks it up.
fn locate(offset: u64) -> (usize, u64) {
    let vcpu = usize::try_from(offset / REDISTRIBUTOR_BYTES).unwrap_or(usize::MAX);
    (vcpu, offset % REDISTRIBUTOR_BYTES)
}
