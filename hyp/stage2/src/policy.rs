//! What a guest may reach, as a list of ranges that contradict nothing.
//!
//! It writes no descriptor. A policy that exists can be built: every error that a map can have is
//! found here, by name, before a table is touched.

use crate::attributes::{Access, Attributes, Memory};
use crate::geometry::{IPA_BITS, Level, PA_BITS, PAGE_BYTES};
use crate::leaves::Leaves;
use thiserror::Error;
use unimux_memory::{Ipa, Pa};

/// Ranges in one policy. A partition guest has about six; a scenario with more is refused.
pub const MAX_REGIONS: usize = 32;

/// What lies at a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Memory, mapped.
    Mapped {
        /// Where the range begins in physical memory.
        pa: Pa,
        /// What may be done with it.
        attributes: Attributes,
    },
    /// A device that EL2 plays: unmapped, so that each access exits.
    Emulated,
}

/// One range of a policy: page aligned, not empty, inside the IPA space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// First address.
    pub ipa: Ipa,
    /// Length in bytes.
    pub len_bytes: u64,
    /// What lies there.
    pub kind: Kind,
}

impl Region {
    /// The first address after the range; at most 2^39.
    #[must_use]
    pub const fn end(&self) -> Ipa {
        Ipa::new(self.ipa.get() + self.len_bytes)
    }

    /// Whether `ipa` lies in the range.
    #[must_use]
    pub const fn contains(&self, ipa: Ipa) -> bool {
        self.ipa.get() <= ipa.get() && ipa.get() < self.end().get()
    }

    /// A range of memory that satisfies every rule a range can satisfy alone.
    pub(crate) fn mapped(
        ipa: Ipa,
        pa: Pa,
        len_bytes: u64,
        attributes: Attributes,
    ) -> Result<Self, PolicyError> {
        check_ipa_range(ipa, len_bytes)?;
        if !pa.is_aligned(PAGE_BYTES) {
            return Err(PolicyError::PaMisaligned { pa });
        }
        let end = pa.checked_add(len_bytes);
        if end.is_none_or(|end| end.get() > 1 << PA_BITS) {
            return Err(PolicyError::BeyondPa { pa, len_bytes });
        }
        if attributes.execute && attributes.memory == Memory::DeviceNgnre {
            return Err(PolicyError::ExecutableDevice { ipa });
        }
        Ok(Self {
            ipa,
            len_bytes,
            kind: Kind::Mapped { pa, attributes },
        })
    }

    /// The physical memory of the range, if it has any.
    #[must_use]
    pub const fn physical(&self) -> Option<PhysicalRange> {
        match self.kind {
            Kind::Mapped { pa, attributes } => Some(PhysicalRange {
                pa,
                len_bytes: self.len_bytes,
                attributes,
            }),
            Kind::Emulated => None,
        }
    }
}

/// Checks what any IPA range must satisfy, mapped or not.
pub(crate) fn check_ipa_range(ipa: Ipa, len_bytes: u64) -> Result<Ipa, PolicyError> {
    if len_bytes == 0 {
        return Err(PolicyError::Empty { ipa });
    }
    if !len_bytes.is_multiple_of(PAGE_BYTES) {
        return Err(PolicyError::LengthMisaligned { ipa, len_bytes });
    }
    if !ipa.is_aligned(PAGE_BYTES) {
        return Err(PolicyError::IpaMisaligned { ipa });
    }
    let end = ipa
        .checked_add(len_bytes)
        .ok_or(PolicyError::Wraps { ipa, len_bytes })?;
    if end.get() > 1 << IPA_BITS {
        return Err(PolicyError::BeyondIpa { ipa, len_bytes });
    }
    Ok(end)
}

/// A stretch of physical memory that a policy maps, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhysicalRange {
    /// First address.
    pub pa: Pa,
    /// Length in bytes.
    pub len_bytes: u64,
    /// What the guest may do with it.
    pub attributes: Attributes,
}

impl PhysicalRange {
    /// The first address after the range; at most 2^40.
    #[must_use]
    pub const fn end(&self) -> Pa {
        Pa::new(self.pa.get() + self.len_bytes)
    }

    /// Whether the two ranges have a byte in common.
    #[must_use]
    pub const fn overlaps(&self, other: &Self) -> bool {
        self.pa.get() < other.end().get() && other.pa.get() < self.end().get()
    }
}

/// Two policies that would let one guest write what the other can see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The range of the policy that was asked.
    pub ours: PhysicalRange,
    /// The range of the other policy.
    pub theirs: PhysicalRange,
}

/// Why a range was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PolicyError {
    /// The range has no bytes.
    #[error("range at {ipa:?} is empty")]
    Empty {
        /// Where it would begin.
        ipa: Ipa,
    },
    /// The length is not a multiple of 4 KiB.
    #[error("range at {ipa:?} has {len_bytes:#x} bytes, which are not whole pages")]
    LengthMisaligned {
        /// Where it would begin.
        ipa: Ipa,
        /// The length in bytes.
        len_bytes: u64,
    },
    /// The guest's address is not a multiple of 4 KiB.
    #[error("{ipa:?} is not page aligned")]
    IpaMisaligned {
        /// The address.
        ipa: Ipa,
    },
    /// The physical address is not a multiple of 4 KiB.
    #[error("{pa:?} is not page aligned")]
    PaMisaligned {
        /// The address.
        pa: Pa,
    },
    /// The end of the range does not fit in 64 bits.
    #[error("range at {ipa:?} of {len_bytes:#x} bytes wraps")]
    Wraps {
        /// Where it would begin.
        ipa: Ipa,
        /// The length in bytes.
        len_bytes: u64,
    },
    /// The range ends beyond the 39 bits that stage 2 translates.
    #[error("range at {ipa:?} of {len_bytes:#x} bytes ends beyond {IPA_BITS} bits")]
    BeyondIpa {
        /// Where it would begin.
        ipa: Ipa,
        /// The length in bytes.
        len_bytes: u64,
    },
    /// The memory ends beyond the 40 bits of a physical address.
    #[error("memory at {pa:?} of {len_bytes:#x} bytes ends beyond {PA_BITS} bits")]
    BeyondPa {
        /// Where the memory begins.
        pa: Pa,
        /// The length in bytes.
        len_bytes: u64,
    },
    /// A device range would be executable. A speculative fetch from a device is a load from it.
    #[error("device memory at {ipa:?} must not be executable")]
    ExecutableDevice {
        /// Where the range begins.
        ipa: Ipa,
    },
    /// The range shares addresses with one that is there.
    #[error("range at {ipa:?} of {len_bytes:#x} bytes overlaps the one at {with:?}")]
    Overlaps {
        /// Where it would begin.
        ipa: Ipa,
        /// The length in bytes.
        len_bytes: u64,
        /// Where the range begins that is there already.
        with: Ipa,
    },
    /// The same memory is mapped elsewhere with another memory type; the guest would have caches
    /// that disagree (DDI 0487 B2.11, mismatched memory attributes).
    #[error("memory at {pa:?} is mapped at {with:?} with another memory type")]
    MismatchedAlias {
        /// The memory.
        pa: Pa,
        /// Where it is mapped already.
        with: Ipa,
    },
    /// There are [`MAX_REGIONS`] ranges already.
    #[error("more than {MAX_REGIONS} ranges")]
    TooManyRegions,
}

/// What one guest may reach: ranges in ascending order, disjoint. Everything else is unmapped.
///
/// ```
/// use unimux_memory::{Ipa, Pa};
/// use unimux_stage2::{Attributes, Policy};
///
/// let policy = Policy::new()
///     .map(Ipa::new(0x4000_0000), Pa::new(0x5000_0000), 64 << 20, Attributes::RAM)?
///     .map(Ipa::new(0x0A00_0000), Pa::new(0x4100_0000), 0x1000, Attributes::DOORBELL)?
///     .emulate(Ipa::new(0x0800_0000), 0x1_0000)?;
/// // The root, a level-2 table for each of two GiB, a level-3 table for the doorbell.
/// assert_eq!(policy.frames_needed(), 4);
/// # Ok::<(), unimux_stage2::PolicyError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Policy {
    regions: heapless::Vec<Region, MAX_REGIONS>,
}

impl Policy {
    /// A guest that reaches nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            regions: heapless::Vec::new(),
        }
    }

    /// Gives the guest the memory at `pa` under the address `ipa`.
    ///
    /// # Errors
    /// Any [`PolicyError`]; the policy is consumed, for half a policy is none.
    pub fn map(
        self,
        ipa: Ipa,
        pa: Pa,
        len_bytes: u64,
        attributes: Attributes,
    ) -> Result<Self, PolicyError> {
        let region = Region::mapped(ipa, pa, len_bytes, attributes)?;
        for known in &self.regions {
            let alias = match (known.physical(), region.physical()) {
                (Some(known), Some(new)) => {
                    known.overlaps(&new) && known.attributes.memory != new.attributes.memory
                }
                _ => false,
            };
            if alias {
                return Err(PolicyError::MismatchedAlias {
                    pa,
                    with: known.ipa,
                });
            }
        }
        self.insert(region)
    }

    /// Names a range that EL2 emulates. It stays unmapped; that it is here keeps memory out of it
    /// and lets a fault report tell a device from a wild access.
    ///
    /// # Errors
    /// Any [`PolicyError`] but those about physical memory.
    pub fn emulate(self, ipa: Ipa, len_bytes: u64) -> Result<Self, PolicyError> {
        check_ipa_range(ipa, len_bytes)?;
        self.insert(Region {
            ipa,
            len_bytes,
            kind: Kind::Emulated,
        })
    }

    fn insert(mut self, region: Region) -> Result<Self, PolicyError> {
        let at = self.regions.partition_point(|known| known.ipa < region.ipa);
        let before = at.checked_sub(1).and_then(|index| self.regions.get(index));
        let after = self.regions.get(at);
        let overlapped = before
            .filter(|before| before.end() > region.ipa)
            .or(after.filter(|after| region.end() > after.ipa));
        if let Some(known) = overlapped {
            return Err(PolicyError::Overlaps {
                ipa: region.ipa,
                len_bytes: region.len_bytes,
                with: known.ipa,
            });
        }
        match self.regions.insert(at, region) {
            Ok(()) => Ok(self),
            Err(_) => Err(PolicyError::TooManyRegions),
        }
    }

    /// The ranges, in ascending order of address.
    #[must_use]
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// The range that covers `ipa`, or `None` where nothing is.
    #[must_use]
    pub fn lookup(&self, ipa: Ipa) -> Option<&Region> {
        let after = self.regions.partition_point(|region| region.ipa <= ipa);
        let region = self.regions.get(after.checked_sub(1)?)?;
        region.contains(ipa).then_some(region)
    }

    /// The physical memory that the guest reaches, range by range.
    pub fn physical_ranges(&self) -> impl Iterator<Item = PhysicalRange> + '_ {
        self.regions.iter().filter_map(Region::physical)
    }

    /// The first memory that both guests reach and either can write, or `None` if they are
    /// isolated. Memory that both can only read is no conflict.
    #[must_use]
    pub fn conflict_with(&self, other: &Self) -> Option<Conflict> {
        self.physical_ranges().find_map(|ours| {
            let theirs = other.physical_ranges().find(|theirs| {
                let writable =
                    [ours.attributes.access, theirs.attributes.access].contains(&Access::ReadWrite);
                writable && ours.overlaps(theirs)
            })?;
            Some(Conflict { ours, theirs })
        })
    }

    /// The blocks and pages of the policy in ascending order, each as large as alignment allows.
    #[must_use]
    pub fn leaves(&self) -> Leaves<'_> {
        Leaves::new(&self.regions)
    }

    /// How many 4 KiB frames [`crate::Tables::build`] takes for this policy, exactly: the root,
    /// and one for each table on the way to a leaf.
    #[must_use]
    pub fn frames_needed(&self) -> usize {
        let mut frames = 1;
        let mut last: [Option<Ipa>; 2] = [None; 2];
        for leaf in self.leaves() {
            // Leaves ascend, so a table is new exactly when its base differs from the last one's.
            for (parent, last) in [Level::One, Level::Two].into_iter().zip(&mut last) {
                let base = parent.base_of(leaf.ipa);
                if leaf.level > parent && *last != Some(base) {
                    *last = Some(base);
                    frames += 1;
                }
            }
        }
        frames
    }
}
