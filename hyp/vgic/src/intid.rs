//! Interrupt numbers, and sets of vCPUs.
//!
//! Numbers a guest sends in are plain integers until [`Intid::new`] has looked at them.

use core::fmt;

/// Interrupt identifiers of a guest: 32 private ones and [`SPIS`] shared ones.
pub const INTIDS: usize = 96;
/// Shared peripheral interrupts of a guest: INTID 32 to 95.
pub const SPIS: usize = INTIDS - PRIVATE;
/// Interrupts that every vCPU has its own of: INTID 0 to 31.
pub(crate) const PRIVATE: usize = 32;
/// vCPUs of one guest; each is Aff0 of its MPIDR, the other affinity fields are zero.
pub const VCPUS_MAX: usize = 8;

/// An interrupt identifier below [`INTIDS`] (IHI 0069, 2.2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Intid(u8);

impl Intid {
    /// The virtual timer's PPI, as every Armv8 system has it (Arm BSA).
    pub const VIRTUAL_TIMER: Self = Self(27);
    /// The physical timer's.
    pub const PHYSICAL_TIMER: Self = Self(30);

    /// The interrupt `number`, or `None` if guests have none of that number.
    #[must_use]
    pub const fn new(number: u32) -> Option<Self> {
        if number < INTIDS as u32 {
            Some(Self(number as u8))
        } else {
            None
        }
    }

    /// The identifier as a number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0 as u32
    }

    /// Whether each vCPU has its own: an SGI or PPI.
    #[must_use]
    pub const fn is_private(self) -> bool {
        (self.0 as usize) < PRIVATE
    }

    /// The bank of 32 among the shared ones. Private interrupts have no such bank.
    pub(crate) const fn shared_bank(self) -> Option<usize> {
        (self.0 as usize / 32).checked_sub(1)
    }

    /// The index among the shared ones.
    pub(crate) const fn shared_index(self) -> Option<usize> {
        (self.0 as usize).checked_sub(PRIVATE)
    }

    /// The interrupt's bit within its bank.
    pub(crate) const fn bit(self) -> u32 {
        1 << (self.0 % 32)
    }

    /// The interrupt's index within its bank.
    pub(crate) const fn in_bank(self) -> usize {
        (self.0 % 32) as usize
    }

    /// The interrupts of bank `bank` (0 is private) whose bits are set in `mask`.
    pub(crate) fn of_mask(bank: usize, mask: u32) -> impl Iterator<Item = Self> {
        bits(mask).filter_map(move |bit| Self::new(bank as u32 * 32 + bit))
    }
}

impl fmt::Debug for Intid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0..16 => write!(f, "SGI {}", self.0),
            16..32 => write!(f, "PPI {}", self.0 - 16),
            _ => write!(f, "SPI {}", self.0 - 32),
        }
    }
}

/// The numbers of the set bits of `mask`, ascending.
fn bits(mut mask: u32) -> impl Iterator<Item = u32> {
    core::iter::from_fn(move || {
        let bit = (mask != 0).then(|| mask.trailing_zeros())?;
        mask &= mask - 1;
        Some(bit)
    })
}

/// A set of vCPUs of one guest: those to be brought out of the guest, or out of their sleep, so
/// that their list registers are refilled. A vCPU that is at EL2 already needs no waking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "a vCPU that is not woken does not see the interrupt"]
pub struct VcpuSet(u8);

impl VcpuSet {
    /// No vCPU.
    pub const EMPTY: Self = Self(0);

    /// The set of one vCPU; empty if a guest cannot have a vCPU of that number.
    pub const fn of(vcpu: usize) -> Self {
        if vcpu < VCPUS_MAX {
            Self(1 << vcpu)
        } else {
            Self::EMPTY
        }
    }

    /// The set of vCPUs 0 to `count` - 1.
    pub(crate) const fn first(count: usize) -> Self {
        if count >= VCPUS_MAX {
            Self(u8::MAX)
        } else {
            Self((1 << count) - 1)
        }
    }

    /// The set with these bits.
    pub(crate) const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// Its bits, that of vCPU 0 lowest.
    pub(crate) const fn bits(self) -> u8 {
        self.0
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether `vcpu` is in the set.
    #[must_use]
    pub const fn contains(self, vcpu: usize) -> bool {
        self.0 & Self::of(vcpu).0 != 0
    }

    /// Both sets together.
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The vCPUs in both sets.
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The set without `vcpu`.
    pub const fn without(self, vcpu: usize) -> Self {
        Self(self.0 & !Self::of(vcpu).0)
    }

    /// The set without those of `others`.
    pub(crate) const fn minus(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// The vCPUs, ascending.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..VCPUS_MAX).filter(move |vcpu| self.contains(*vcpu))
    }
}

#[cfg(test)]
mod tests {
    extern crate alloc;
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn numbers_beyond_the_guests_interrupts_are_none() {
        assert_eq!(Intid::new(95).unwrap().shared_index(), Some(63));
        for number in [96, 1019, 1023, 8192, u32::MAX] {
            assert_eq!(Intid::new(number), None);
        }
    }

    #[test]
    fn a_set_holds_what_was_put_in() {
        let set = VcpuSet::of(0).union(VcpuSet::of(7)).union(VcpuSet::of(8));
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 7]);
        assert_eq!(set.without(0), VcpuSet::of(7));
        assert_eq!(VcpuSet::first(2).iter().collect::<Vec<_>>(), [0, 1]);
        assert_eq!(VcpuSet::first(8).iter().count(), 8);
    }
}
