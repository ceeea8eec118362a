//! Break-before-make as types: the only way to a new descriptor leads past the TLB.
//!
//! DDI 0487 D8.17.1 (Using break-before-make when updating translation table entries): a live
//! descriptor that changes its output, type or size is first made invalid, the store made visible,
//! the TLB entries removed on every core, and only then the new descriptor written. Each arrow is
//! a method that consumes its state:
//!
//! ```text
//!                         make(leaf) / link(table)
//!   Vacant ─────────────────────────────────────────▶ (live)
//!     ▲                                                  │ slot()
//!     │ invalidate(machine):                             ▼
//!     │ barrier, TLB                    break_it()   Occupied
//!   Broken ◀─────────────────────────────────────────────┘
//!     │
//!     └── Debt::owe ──▶ Debt::settle(machine): as above, once for many
//! ```
//!
//! There is no method from `Occupied` to a new descriptor, and `Broken` has no way to be ignored
//! but a dropped `#[must_use]` value.

use crate::change::{Invalidation, Machine};
use crate::descriptor::Descriptor;
use crate::frames::TableFrames;
use crate::geometry::{ENTRIES, Level};
use crate::walk::Place;

/// A descriptor of a live table, in one of its two states.
pub(crate) enum Slot<'f, F> {
    /// Invalid: no TLB can hold a translation from it.
    Vacant(Vacant<'f, F>),
    /// Valid: a TLB may hold it.
    Occupied(Occupied<'f, F>),
}

/// Looks at the slot at `place`.
pub(crate) fn slot<F: TableFrames>(frames: &F, place: Place) -> Slot<'_, F> {
    if frames.load(place.frame, place.entry).valid() {
        Slot::Occupied(Occupied { frames, place })
    } else {
        Slot::Vacant(Vacant { frames, place })
    }
}

/// An invalid slot that no TLB knows as anything else.
#[must_use]
pub(crate) struct Vacant<'f, F> {
    frames: &'f F,
    place: Place,
}

impl<F: TableFrames> Vacant<'_, F> {
    /// Writes a leaf. Visible to walkers after the next [`Machine::barrier`].
    pub(crate) fn make(self, leaf: Descriptor) {
        self.frames.store(self.place.frame, self.place.entry, leaf);
    }

    /// Hangs a table here, whose contents every walker sees already.
    pub(crate) fn link(self, table: Published) {
        let descriptor = Descriptor::table(self.frames.pa(table.0));
        self.make(descriptor);
    }
}

/// A slot that translates.
pub(crate) struct Occupied<'f, F> {
    frames: &'f F,
    place: Place,
}

impl<'f, F: TableFrames> Occupied<'f, F> {
    /// Stores the invalid descriptor: the *break*.
    pub(crate) fn break_it(self) -> Broken<'f, F> {
        let Place { frame, entry, .. } = self.place;
        self.frames.store(frame, entry, Descriptor::INVALID);
        Broken {
            frames: self.frames,
            place: self.place,
        }
    }
}

/// An invalid slot that a TLB may still know as valid.
#[must_use = "a broken entry lives on in TLBs until it is invalidated"]
pub(crate) struct Broken<'f, F> {
    frames: &'f F,
    place: Place,
}

impl<'f, F: TableFrames> Broken<'f, F> {
    /// Makes the break visible and removes what TLBs hold of it.
    pub(crate) fn invalidate(self, machine: &mut impl Machine) -> Vacant<'f, F> {
        machine.barrier();
        machine.invalidate(Invalidation::of(&self.place));
        Vacant {
            frames: self.frames,
            place: self.place,
        }
    }
}

/// Broken slots of a range whose invalidation is still owed: adjacent slots of one level are paid
/// for together, since the TLB maintenance costs more than the stores.
#[must_use = "owed invalidations must be settled"]
#[derive(Default)]
pub(crate) struct Debt(Option<Invalidation>);

impl Debt {
    /// Takes over the duty of `broken`, settling first what cannot be paid together with it.
    pub(crate) fn owe<F: TableFrames>(
        &mut self,
        broken: Broken<'_, F>,
        machine: &mut impl Machine,
    ) {
        let new = Invalidation::of(&broken.place);
        self.0 = match self.0.take() {
            None => Some(new),
            Some(owed) => Some(owed.joined(&new).unwrap_or_else(|| {
                Self(Some(owed)).settle(machine);
                new
            })),
        };
    }

    /// Makes the breaks visible and removes what TLBs hold of them.
    pub(crate) fn settle(self, machine: &mut impl Machine) {
        if let Some(owed) = self.0 {
            machine.barrier();
            machine.invalidate(owed);
        }
    }
}

/// A frame that no walker reaches yet.
#[must_use]
pub(crate) struct Offline<'f, F> {
    frames: &'f F,
    frame: usize,
}

impl<'f, F: TableFrames> Offline<'f, F> {
    /// Fills `frame` with what `descriptor_of` says for each entry. `frame` must not be linked.
    pub(crate) fn fill(
        frames: &'f F,
        frame: usize,
        descriptor_of: impl Fn(usize) -> Descriptor,
    ) -> Self {
        for entry in 0..ENTRIES {
            frames.store(frame, entry, descriptor_of(entry));
        }
        Self { frames, frame }
    }

    /// Makes the contents visible, so that no walker can follow a link to older ones.
    pub(crate) fn publish(self, machine: &mut impl Machine) -> Published {
        machine.barrier();
        Published(self.frame)
    }

    /// The same for tables that no walker uses at all; see [`crate::Tables::build`].
    pub(crate) fn assume_unwalked(self) -> Descriptor {
        Descriptor::table(self.frames.pa(self.frame))
    }
}

/// A frame whose contents every walker sees, ready to be linked.
#[must_use]
pub(crate) struct Published(usize);

impl Invalidation {
    fn of(place: &Place) -> Self {
        Self {
            ipa: place.base,
            len_bytes: place.level.entry_bytes(),
            level: place.level,
        }
    }

    /// This and `next` as one, if they touch and have the same granularity.
    fn joined(&self, next: &Self) -> Option<Self> {
        let adjacent = self.ipa.checked_add(self.len_bytes) == Some(next.ipa);
        (adjacent && self.level == next.level).then_some(Self {
            len_bytes: self.len_bytes + next.len_bytes,
            ..*self
        })
    }
}

/// The level below a block that is being split; pages are never split.
pub(crate) fn level_below(level: Level) -> Level {
    level.below().expect("a page is never split")
}
