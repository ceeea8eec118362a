//! The walk in software: what the hardware walker would find, for tests and fault reports.
//!
//! It reads tables and changes nothing. It does not look into the TLB: after a change it tells
//! what the tables say, which is what the hardware says only after the invalidation.

use crate::attributes::Attributes;
use crate::descriptor::Entry;
use crate::frames::TableFrames;
use crate::geometry::{IPA_BITS, Level};
use thiserror::Error;
use unimux_memory::{Ipa, Pa};

/// Where an address leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Translation {
    /// The physical address of the very byte that was asked for.
    pub pa: Pa,
    /// What may be done there.
    pub attributes: Attributes,
    /// The level at which the walk ended.
    pub level: Level,
}

/// Why an address leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WalkFault {
    /// The address has more than 39 bits: the hardware reports a translation fault at level 0.
    #[error("beyond {IPA_BITS} bits")]
    BeyondIpa,
    /// An invalid descriptor: a translation fault.
    #[error("nothing mapped, found at {0}")]
    Unmapped(Level),
    /// A descriptor that Unimux does not write, or a table outside its frames. A bug or worse.
    #[error("malformed descriptor at {0}")]
    Malformed(Level),
}

/// The last descriptor of a walk, and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The frame of the table.
    pub(crate) frame: usize,
    /// The entry in it.
    pub(crate) entry: usize,
    /// The level of the table.
    pub(crate) level: Level,
    /// The first address that the entry covers.
    pub(crate) base: Ipa,
}

impl Place {
    /// The entry that covers `ipa` in the table `frame` of `level`.
    pub(crate) const fn new(frame: usize, level: Level, ipa: Ipa) -> Self {
        Self {
            frame,
            entry: level.index_of(ipa),
            level,
            base: level.base_of(ipa),
        }
    }

    /// The first address after those that the entry covers.
    pub(crate) const fn end(&self) -> Ipa {
        Ipa::new(self.base.get() + self.level.entry_bytes())
    }
}

/// The root's frame: the first one, always.
pub(crate) const ROOT: usize = 0;

/// Follows `ipa` from the root to the descriptor that ends its walk.
pub(crate) fn find(frames: &impl TableFrames, ipa: Ipa) -> Result<(Place, Entry), WalkFault> {
    if ipa.get() >> IPA_BITS != 0 {
        return Err(WalkFault::BeyondIpa);
    }
    let mut place = Place::new(ROOT, Level::One, ipa);
    loop {
        let level = place.level;
        let entry = frames.load(place.frame, place.entry).entry(level);
        let Entry::Table(table) = entry else {
            return Ok((place, entry));
        };
        let next = frames.frame_at(table).zip(level.below());
        let (frame, below) = next.ok_or(WalkFault::Malformed(level))?;
        place = Place::new(frame, below, ipa);
    }
}

/// Translates one address.
pub(crate) fn walk(frames: &impl TableFrames, ipa: Ipa) -> Result<Translation, WalkFault> {
    let (place, entry) = find(frames, ipa)?;
    match entry {
        Entry::Leaf(pa, attributes) => Ok(Translation {
            pa: Pa::new(pa.get() | (ipa.get() - place.base.get())),
            attributes,
            level: place.level,
        }),
        Entry::Invalid => Err(WalkFault::Unmapped(place.level)),
        Entry::Table(_) | Entry::Malformed => Err(WalkFault::Malformed(place.level)),
    }
}
