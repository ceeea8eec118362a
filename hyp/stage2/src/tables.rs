//! The tables of one guest: frames, filled from a policy.
//!
//! It does not put them to use. Between [`Tables::build`] and the first walk the caller executes
//! `DSB ISH`, `TLBI VMALLS12E1IS` for the VMID if it was in use before, and writes `VTTBR_EL2`.

use crate::descriptor::{Descriptor, Entry};
use crate::frames::TableFrames;
use crate::geometry::Level;
use crate::leaves::Leaf;
use crate::policy::Policy;
use crate::slot::Offline;
use crate::walk::{self, Place, ROOT, Translation, WalkFault};
use thiserror::Error;
use unimux_memory::{Ipa, Pa};

/// Why tables were not built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BuildError {
    /// The policy needs more frames than there are.
    #[error("stage 2 needs {needed} table frames and has {have}")]
    OutOfFrames {
        /// What [`Policy::frames_needed`] says.
        needed: usize,
        /// What [`TableFrames::count`] says.
        have: usize,
    },
}

/// Stage-2 tables of one guest. Frame 0 is the root; frames are taken in ascending order.
#[derive(Debug)]
pub struct Tables<F> {
    pub(crate) frames: F,
    /// Frames taken, from 0.
    pub(crate) used: usize,
}

impl<F: TableFrames> Tables<F> {
    /// Writes `policy` into `frames`, whatever they held before.
    ///
    /// No walker may be using the frames: the guest has not run yet, or is stopped and its VMID
    /// has left the TLBs. A guest that is started again is built again, in the same frames.
    ///
    /// # Errors
    /// [`BuildError::OutOfFrames`], with nothing written.
    pub fn build(policy: &Policy, frames: F) -> Result<Self, BuildError> {
        let needed = policy.frames_needed();
        let have = frames.count();
        if needed > have {
            return Err(BuildError::OutOfFrames { needed, have });
        }
        let mut tables = Self { frames, used: 0 };
        let _root = tables.empty_frame();
        for leaf in policy.leaves() {
            tables.write(&leaf);
        }
        debug_assert_eq!(tables.used, needed);
        Ok(tables)
    }

    /// The physical address of the root table, for `VTTBR_EL2`.
    #[must_use]
    pub fn root(&self) -> Pa {
        self.frames.pa(ROOT)
    }

    /// Frames in use.
    #[must_use]
    pub const fn frames_used(&self) -> usize {
        self.used
    }

    /// Translates `ipa` as the hardware walker would.
    ///
    /// # Errors
    /// [`WalkFault`], which is what the guest's access would end in.
    pub fn walk(&self, ipa: Ipa) -> Result<Translation, WalkFault> {
        walk::walk(&self.frames, ipa)
    }

    /// Gives the frames back, for a guest that is gone. Its VMID must have left the TLBs.
    #[must_use]
    pub fn into_frames(self) -> F {
        self.frames
    }

    /// Writes one leaf and the tables on its way, into tables that nobody walks.
    fn write(&mut self, leaf: &Leaf) {
        let mut place = Place::new(ROOT, Level::One, leaf.ipa);
        while place.level < leaf.level {
            let below = crate::slot::level_below(place.level);
            let entry = self
                .frames
                .load(place.frame, place.entry)
                .entry(place.level);
            let frame = match entry {
                Entry::Table(table) => self.frames.frame_at(table),
                _ => None,
            };
            let frame = frame.unwrap_or_else(|| {
                let (frame, link) = self.empty_frame();
                self.frames.store(place.frame, place.entry, link);
                frame
            });
            place = Place::new(frame, below, leaf.ipa);
        }
        let descriptor = Descriptor::leaf(leaf.level, leaf.pa, leaf.attributes);
        self.frames.store(place.frame, place.entry, descriptor);
    }

    /// Takes a frame and empties it: its number, and the descriptor that links it.
    fn empty_frame(&mut self) -> (usize, Descriptor) {
        let frame = self.used;
        self.used += 1;
        let offline = Offline::fill(&self.frames, frame, |_| Descriptor::INVALID);
        (frame, offline.assume_unwalked())
    }
}
