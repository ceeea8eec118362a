//! A policy cut into blocks and pages.
//!
//! The one place that decides block sizes: the builder writes these leaves and the frame count
//! counts them, so the two cannot disagree.

use crate::attributes::Attributes;
use crate::geometry::Level;
use crate::policy::{Kind, Region};
use unimux_memory::{Ipa, Pa};

/// One block or page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// First address, aligned to the level's size.
    pub ipa: Ipa,
    /// Where it leads, aligned likewise.
    pub pa: Pa,
    /// What may be done with it.
    pub attributes: Attributes,
    /// The level at which the walk ends.
    pub level: Level,
}

/// The leaves of a policy in ascending order; see [`crate::Policy::leaves`].
#[derive(Clone, Debug)]
pub struct Leaves<'a> {
    regions: &'a [Region],
    /// How far into the first region the next leaf begins, in bytes.
    done_bytes: u64,
}

impl<'a> Leaves<'a> {
    pub(crate) const fn new(regions: &'a [Region]) -> Self {
        Self {
            regions,
            done_bytes: 0,
        }
    }
}

impl Iterator for Leaves<'_> {
    type Item = Leaf;

    fn next(&mut self) -> Option<Leaf> {
        loop {
            let (region, rest) = self.regions.split_first()?;
            let left_bytes = region.len_bytes - self.done_bytes;
            let Kind::Mapped { pa, attributes } = region.kind else {
                self.regions = rest;
                continue;
            };
            if left_bytes == 0 {
                self.regions = rest;
                self.done_bytes = 0;
                continue;
            }
            // A checked region ends below 2^39 and 2^40: neither sum wraps.
            let ipa = Ipa::new(region.ipa.get() + self.done_bytes);
            let pa = Pa::new(pa.get() + self.done_bytes);
            let level = [Level::One, Level::Two]
                .into_iter()
                .find(|level| {
                    let size = level.entry_bytes();
                    ipa.is_aligned(size) && pa.is_aligned(size) && left_bytes >= size
                })
                .unwrap_or(Level::Three);
            self.done_bytes += level.entry_bytes();
            return Some(Leaf {
                ipa,
                pa,
                attributes,
                level,
            });
        }
    }
}
