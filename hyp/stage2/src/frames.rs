//! The memory that tables live in, behind a trait, and the obvious implementation.
//!
//! It allocates nothing: frames are numbered from zero and [`crate::Tables`] takes them in order.

use crate::descriptor::Descriptor;
use crate::geometry::{ENTRIES, PAGE_BYTES};
use core::array;
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};
use unimux_memory::Pa;

/// Frames of 4 KiB that hold tables, known by number.
///
/// # Contract
/// `pa` and `frame_at` are inverses for every frame below `count`; addresses are 4 KiB aligned and
/// below 2^40. A store is one 64-bit access, so that a walker sees the old descriptor or the new
/// one and never a mixture (DDI 0487 B2.2.1, single-copy atomicity). No ordering is asked of
/// `load` and `store`: [`crate::Machine::barrier`] gives it where it is needed.
///
/// `frame` below `count` and `entry` below 512 hold for all calls; an implementation may panic
/// otherwise.
pub trait TableFrames {
    /// How many frames there are.
    fn count(&self) -> usize;
    /// The physical address of a frame.
    fn pa(&self, frame: usize) -> Pa;
    /// The frame at a physical address, or `None` if that is not the base of one.
    fn frame_at(&self, pa: Pa) -> Option<usize>;
    /// Reads a descriptor.
    fn load(&self, frame: usize, entry: usize) -> Descriptor;
    /// Writes a descriptor with one 64-bit store.
    fn store(&self, frame: usize, entry: usize, descriptor: Descriptor);
}

/// One table: 512 descriptors on a 4 KiB boundary, as the walker wants them.
#[repr(C, align(4096))]
pub struct Frame([AtomicU64; ENTRIES]);

const _: () = assert!(size_of::<Frame>() == PAGE_BYTES as usize);

impl Frame {
    /// A frame in which every walk ends in a translation fault.
    #[must_use]
    pub const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; ENTRIES])
    }

    /// `N` such frames, for a `static`.
    #[must_use]
    pub fn array<const N: usize>() -> [Self; N] {
        array::from_fn(|_| Self::new())
    }
}

impl Default for Frame {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let used = self
            .0
            .iter()
            .filter(|entry| entry.load(Ordering::Relaxed) != 0);
        write!(f, "Frame({} of {ENTRIES} entries in use)", used.count())
    }
}

/// Adjacent [`Frame`]s that lie at a known physical address.
///
/// At EL2 memory is mapped at its physical address and `base` is the address of the first frame;
/// on the host it is whatever a test likes.
#[derive(Clone, Copy, Debug)]
pub struct FrameArray<'a> {
    base: Pa,
    frames: &'a [Frame],
}

impl<'a> FrameArray<'a> {
    /// The frames `frames`, the first of which the table walker finds at `base`. `None` if `base`
    /// is not 4 KiB aligned or the last frame would end beyond 40 bits.
    #[must_use]
    pub fn new(base: Pa, frames: &'a [Frame]) -> Option<Self> {
        let len_bytes = (frames.len() as u64).checked_mul(PAGE_BYTES)?;
        let end = base.checked_add(len_bytes)?;
        let in_reach = end.get() <= 1 << crate::geometry::PA_BITS;
        (base.is_aligned(PAGE_BYTES) && in_reach).then_some(Self { base, frames })
    }
}

impl TableFrames for FrameArray<'_> {
    fn count(&self) -> usize {
        self.frames.len()
    }

    fn pa(&self, frame: usize) -> Pa {
        Pa::new(self.base.get() + frame as u64 * PAGE_BYTES)
    }

    fn frame_at(&self, pa: Pa) -> Option<usize> {
        let offset = pa.offset_from(self.base)?;
        let frame = usize::try_from(offset / PAGE_BYTES).ok()?;
        (pa.is_aligned(PAGE_BYTES) && frame < self.frames.len()).then_some(frame)
    }

    fn load(&self, frame: usize, entry: usize) -> Descriptor {
        Descriptor::from_bits(self.frames[frame].0[entry].load(Ordering::Relaxed))
    }

    fn store(&self, frame: usize, entry: usize, descriptor: Descriptor) {
        self.frames[frame].0[entry].store(descriptor.into_bits(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_found_by_its_base_only() {
        let memory: [Frame; 3] = Frame::array();
        let frames = FrameArray::new(Pa::new(0x4000_0000), &memory).unwrap();
        assert_eq!(frames.pa(2), Pa::new(0x4000_2000));
        assert_eq!(frames.frame_at(Pa::new(0x4000_2000)), Some(2));
        for stray in [0x3FFF_F000, 0x4000_2008, 0x4000_3000] {
            assert_eq!(frames.frame_at(Pa::new(stray)), None, "{stray:#x}");
        }
    }

    #[test]
    fn frames_out_of_the_walkers_reach_are_refused() {
        let memory: [Frame; 2] = Frame::array();
        assert!(FrameArray::new(Pa::new(0x800), &memory).is_none());
        assert!(FrameArray::new(Pa::new((1 << 40) - 0x1000), &memory).is_none());
        assert!(FrameArray::new(Pa::new((1 << 40) - 0x2000), &memory).is_some());
    }
}
