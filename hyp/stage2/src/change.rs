//! Changes to tables that a guest is running on.
//!
//! Every change is checked whole before the first store: it happens or it does not. It runs
//! nothing itself; barriers and TLB maintenance are calls to a [`Machine`] in the order the
//! architecture asks for, which `slot.rs` enforces by type.
//!
//! Between a break and its make the range faults. Whoever changes a range that a running guest may
//! touch either means it to fault (taking the doorbell away) or holds the guest's vCPUs.

use crate::attributes::Attributes;
use crate::descriptor::{Descriptor, Entry};
use crate::frames::TableFrames;
use crate::geometry::Level;
use crate::leaves::{Leaf, Leaves};
use crate::policy::{PolicyError, Region, check_ipa_range};
use crate::slot::{Debt, Offline, Slot, level_below, slot};
use crate::tables::Tables;
use crate::walk::{Place, WalkFault, find};
use thiserror::Error;
use unimux_memory::{Ipa, Pa};

/// What the core does for a change. The EL2 crate implements it; a test records it.
pub trait Machine {
    /// Makes all descriptor stores so far visible to the walkers of all cores: `DSB ISHST`.
    fn barrier(&mut self);

    /// Removes the guest's cached translations of a range from all cores and returns when that is
    /// done. The stores that made the range invalid are visible already.
    ///
    /// DDI 0487 D8.17.6 (stage-2 TLB maintenance), with the guest's VMID in `VTTBR_EL2`:
    /// `TLBI IPAS2E1IS` for each of [`Invalidation::addresses`], `DSB ISH`, then `TLBI VMALLE1IS`,
    /// because a core may hold stage 1 and stage 2 combined under the guest's virtual address,
    /// then `DSB ISH` and `ISB`. Beyond a number of addresses `TLBI VMALLS12E1IS` is cheaper.
    fn invalidate(&mut self, invalidation: Invalidation);
}

/// A range of entries of one level that have become invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invalidation {
    /// First address, aligned to the level's entry size.
    pub ipa: Ipa,
    /// Length in bytes, a multiple of the level's entry size.
    pub len_bytes: u64,
    /// The level at which the range was mapped.
    pub level: Level,
}

impl Invalidation {
    /// How many TLB operations by address the range takes: one for each entry, whatever its size.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.len_bytes / self.level.entry_bytes()
    }

    /// One address for each entry. The operand of `TLBI IPAS2E1IS` is the address shifted right
    /// by 12.
    pub fn addresses(&self) -> impl Iterator<Item = Ipa> + use<> {
        let Self { ipa, level, .. } = *self;
        (0..self.count()).map(move |entry| Ipa::new(ipa.get() + entry * level.entry_bytes()))
    }
}

/// Why a change was refused. Nothing has been changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ChangeError {
    /// The range itself is not one that any policy would admit.
    #[error(transparent)]
    Range(#[from] PolicyError),
    /// Something is mapped where a mapping should go.
    #[error("{ipa:?} is mapped already")]
    AlreadyMapped {
        /// The first such address.
        ipa: Ipa,
    },
    /// The tables would grow beyond their frames.
    #[error("the change needs {needed} more table frames and {left} are left")]
    OutOfFrames {
        /// Frames the change would take.
        needed: usize,
        /// Frames not in use.
        left: usize,
    },
    /// The tables hold what Unimux did not write.
    #[error(transparent)]
    Corrupt(#[from] WalkFault),
}

impl<F: TableFrames> Tables<F> {
    /// Maps a range in which nothing is mapped.
    ///
    /// No TLB maintenance is needed: an invalid descriptor is in no TLB (DDI 0487 D8.16.1).
    ///
    /// # Errors
    /// [`ChangeError`], with nothing changed.
    pub fn map(
        &mut self,
        machine: &mut impl Machine,
        ipa: Ipa,
        pa: Pa,
        len_bytes: u64,
        attributes: Attributes,
    ) -> Result<(), ChangeError> {
        let regions = [Region::mapped(ipa, pa, len_bytes, attributes)?];
        if let Some(ipa) = self.first_mapped(ipa, regions[0].end())? {
            return Err(ChangeError::AlreadyMapped { ipa });
        }
        self.check_frames(self.tables_missing(&regions)?)?;
        self.make_all(machine, &regions);
        Ok(())
    }

    /// Unmaps whatever is mapped in a range. Blocks that reach beyond it are split first, so that
    /// what lies outside stays.
    ///
    /// On return no core translates an address of the range.
    ///
    /// # Errors
    /// [`ChangeError`], with nothing changed.
    pub fn unmap(
        &mut self,
        machine: &mut impl Machine,
        ipa: Ipa,
        len_bytes: u64,
    ) -> Result<(), ChangeError> {
        let end = check_ipa_range(ipa, len_bytes)?;
        if let Some(first) = self.first_mapped(ipa, end)? {
            self.check_frames(self.splits_needed(ipa, end)?)?;
            self.break_all(machine, first, end);
        }
        Ok(())
    }

    /// Replaces whatever is mapped in a range: [`Self::unmap`], then [`Self::map`], checked as one.
    ///
    /// Between the two the range faults; see the module's head.
    ///
    /// # Errors
    /// [`ChangeError`], with nothing changed.
    pub fn remap(
        &mut self,
        machine: &mut impl Machine,
        ipa: Ipa,
        pa: Pa,
        len_bytes: u64,
        attributes: Attributes,
    ) -> Result<(), ChangeError> {
        let regions = [Region::mapped(ipa, pa, len_bytes, attributes)?];
        let end = regions[0].end();
        // Both are counted on the tables as they are. A table that a split adds may be one that
        // the mapping lacks today, so this refuses a little early and never too late.
        self.first_mapped(ipa, end)?;
        let needed = self.splits_needed(ipa, end)? + self.tables_missing(&regions)?;
        self.check_frames(needed)?;
        self.break_all(machine, ipa, end);
        self.make_all(machine, &regions);
        Ok(())
    }

    fn check_frames(&self, needed: usize) -> Result<(), ChangeError> {
        let left = self.frames.count() - self.used;
        if needed > left {
            return Err(ChangeError::OutOfFrames { needed, left });
        }
        Ok(())
    }

    /// The first address between two that is mapped. Looks at all of them, so that afterwards
    /// every descriptor of the range is known to be sound.
    fn first_mapped(&self, start: Ipa, end: Ipa) -> Result<Option<Ipa>, WalkFault> {
        let mut first = None;
        let mut ipa = start;
        while ipa < end {
            let (place, entry) = self.find_sound(ipa)?;
            if entry != Entry::Invalid {
                first = first.or(Some(ipa));
            }
            ipa = place.end();
        }
        Ok(first)
    }

    /// [`find`], with a descriptor that is not ours as an error.
    fn find_sound(&self, ipa: Ipa) -> Result<(Place, Entry), WalkFault> {
        match find(&self.frames, ipa)? {
            (place, Entry::Malformed) => Err(WalkFault::Malformed(place.level)),
            found => Ok(found),
        }
    }

    /// Tables that have to be added on the way to the leaves of `regions`.
    fn tables_missing(&self, regions: &[Region]) -> Result<usize, WalkFault> {
        let mut missing = 0;
        let mut last: [Option<Ipa>; 2] = [None; 2];
        for leaf in Leaves::new(regions) {
            let (place, _) = self.find_sound(leaf.ipa)?;
            for (parent, last) in [Level::One, Level::Two].into_iter().zip(&mut last) {
                let base = parent.base_of(leaf.ipa);
                if place.level <= parent && parent < leaf.level && *last != Some(base) {
                    *last = Some(base);
                    missing += 1;
                }
            }
        }
        Ok(missing)
    }

    /// Blocks that have to be split so that no leaf straddles `start` or `end`.
    fn splits_needed(&self, start: Ipa, end: Ipa) -> Result<usize, WalkFault> {
        let of_start = self.straddled(start)?;
        let of_end = self.straddled(end)?;
        let new = of_end.iter().filter(|split| !of_start.contains(split));
        Ok(of_start.iter().chain(new).flatten().count())
    }

    /// The blocks, present or to come from a split above, that have `edge` in their middle.
    fn straddled(&self, edge: Ipa) -> Result<[Option<(Level, Ipa)>; 2], WalkFault> {
        let (place, entry) = match self.find_sound(edge) {
            // The end of the whole space is an edge that nothing straddles.
            Err(WalkFault::BeyondIpa) => return Ok([None; 2]),
            found => found?,
        };
        let is_leaf = matches!(entry, Entry::Leaf(..));
        Ok([Level::One, Level::Two].map(|level| {
            let straddles =
                is_leaf && place.level <= level && !edge.is_aligned(level.entry_bytes());
            straddles.then_some((level, level.base_of(edge)))
        }))
    }

    /// Breaks every leaf between two addresses. The range is sound and frames have been counted.
    fn break_all(&mut self, machine: &mut impl Machine, start: Ipa, end: Ipa) {
        let mut debt = Debt::default();
        let mut ipa = start;
        while ipa < end {
            let (place, entry) = self.find_checked(ipa);
            let within = start <= place.base && place.end() <= end;
            match (slot(&self.frames, place), entry) {
                (Slot::Occupied(leaf), Entry::Leaf(..)) if within => {
                    debt.owe(leaf.break_it(), machine);
                    ipa = place.end();
                }
                (Slot::Occupied(block), Entry::Leaf(pa, attributes)) => {
                    let table = split(&self.frames, self.used, place.level, pa, attributes);
                    let table = table.publish(machine);
                    block.break_it().invalidate(machine).link(table);
                    self.used += 1;
                    // Look again at the same address: it lies in a smaller leaf now.
                }
                _ => ipa = place.end(),
            }
        }
        debt.settle(machine);
    }

    /// Makes every leaf of `regions`. Their slots are vacant and frames have been counted.
    fn make_all(&mut self, machine: &mut impl Machine, regions: &[Region]) {
        for leaf in Leaves::new(regions) {
            let end = Ipa::new(leaf.ipa.get() + leaf.level.entry_bytes());
            let mut ipa = leaf.ipa;
            while ipa < end {
                ipa = self.make(machine, &leaf, ipa);
            }
        }
        machine.barrier();
    }

    /// Makes the part of `leaf` that begins at `ipa` and returns where the next part begins: the
    /// whole leaf, or an entry of the smaller tables that earlier mappings left there.
    fn make(&mut self, machine: &mut impl Machine, leaf: &Leaf, ipa: Ipa) -> Ipa {
        loop {
            let (place, _) = self.find_checked(ipa);
            let Slot::Vacant(vacant) = slot(&self.frames, place) else {
                unreachable!("the range was checked to be vacant");
            };
            if place.level >= leaf.level {
                let pa = Pa::new(leaf.pa.get() + (ipa.get() - leaf.ipa.get()));
                vacant.make(Descriptor::leaf(place.level, pa, leaf.attributes));
                return place.end();
            }
            let table = Offline::fill(&self.frames, self.used, |_| Descriptor::INVALID);
            vacant.link(table.publish(machine));
            self.used += 1;
        }
    }

    /// [`find`] where the descriptors have been looked at already.
    fn find_checked(&self, ipa: Ipa) -> (Place, Entry) {
        // Not `expect`, which would carry the code that formats a fault.
        let Ok(found) = find(&self.frames, ipa) else {
            panic!("the range was checked to be sound")
        };
        found
    }
}

/// A table that says the same as a block of `level` at `pa`, entry by entry.
fn split<F: TableFrames>(
    frames: &F,
    frame: usize,
    level: Level,
    pa: Pa,
    attributes: Attributes,
) -> Offline<'_, F> {
    let below = level_below(level);
    Offline::fill(frames, frame, |entry| {
        let offset = entry as u64 * below.entry_bytes();
        Descriptor::leaf(below, Pa::new(pa.get() + offset), attributes)
    })
}
