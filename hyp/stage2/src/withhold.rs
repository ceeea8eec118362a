//! A leaf that a guest loses for a while, and gets back as it was: its doorbell, between two lives.
//!
//! It splits no block and makes no table, so there is nothing to count or to refuse half way: much
//! less code than [`Tables::unmap`] and [`Tables::map`], which change any range.

use crate::change::Machine;
use crate::descriptor::{Descriptor, Entry};
use crate::frames::TableFrames;
use crate::slot::{Slot, slot};
use crate::tables::Tables;
use crate::walk::{Place, WalkFault, find};
use unimux_memory::Ipa;

/// What was withheld: goes back by [`Tables::restore`], into the same tables.
#[derive(Debug)]
#[must_use = "what is withheld can only be restored by this"]
pub struct Withheld {
    place: Place,
    leaf: Descriptor,
}

impl<F: TableFrames> Tables<F> {
    /// Takes away the page or block in which `ipa` lies. On return no core translates an address of
    /// it.
    ///
    /// # Errors
    /// [`WalkFault`] if nothing is mapped there, with nothing changed.
    pub fn withhold(
        &mut self,
        machine: &mut impl Machine,
        ipa: Ipa,
    ) -> Result<Withheld, WalkFault> {
        let (place, entry) = find(&self.frames, ipa)?;
        let leaf = self.frames.load(place.frame, place.entry);
        match (slot(&self.frames, place), entry) {
            (Slot::Occupied(live), Entry::Leaf(..)) => {
                let _vacant = live.break_it().invalidate(machine);
                Ok(Withheld { place, leaf })
            }
            (Slot::Vacant(_), _) => Err(WalkFault::Unmapped(place.level)),
            (Slot::Occupied(_), _) => Err(WalkFault::Malformed(place.level)),
        }
    }

    /// Gives back what was withheld.
    ///
    /// No TLB maintenance is needed: an invalid descriptor is in no TLB (DDI 0487 D8.16.1).
    ///
    /// # Panics
    /// If something else has been mapped there since.
    pub fn restore(&mut self, machine: &mut impl Machine, withheld: Withheld) {
        let Slot::Vacant(vacant) = slot(&self.frames, withheld.place) else {
            panic!("nothing was mapped where something was withheld");
        };
        vacant.make(withheld.leaf);
        machine.barrier();
    }
}
