//! Memory for what is made at boot: tables, objects of the firmware, guests' device trees.
//!
//! A heap that only grows: what is made at boot stays. Only the block that was taken last can go
//! back, so that a list that grows, and what a step needs for itself, leave no holes.
//!
//! Once the first guest runs, nothing allocates any more, so that no guest can wear memory out.
//! [`seal`] enforces it.
#![expect(unsafe_code, reason = "a global allocator is an unsafe trait")]
// UNSAFETY: hands out the linker's heap region.

use core::{
    alloc::{GlobalAlloc, Layout},
    ptr,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use unimux_el2::layout;

/// Addresses of the region's free end. Both are 0, which is no room, until there is a heap.
struct BootHeap {
    free: AtomicUsize,
    end: AtomicUsize,
}

#[global_allocator]
static HEAP: BootHeap = BootHeap {
    free: AtomicUsize::new(0),
    end: AtomicUsize::new(0),
};

/// Where a block begins that is taken when `free` is the first free address, and where it ends.
fn place(free: usize, layout: Layout) -> Option<(usize, usize)> {
    let begin = free.checked_next_multiple_of(layout.align())?;
    Some((begin, begin.checked_add(layout.size())?))
}

// SAFETY: `free` moves over every block that is handed out, in one step, and goes back only over
// the last one, when that is given back. Relaxed will do: whoever gets a block to use of another
// core gets it by something stronger than the allocator.
unsafe impl GlobalAlloc for BootHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let taken = self.free.fetch_update(Relaxed, Relaxed, |free| {
            let (_, end) = place(free, layout)?;
            (end <= self.end.load(Relaxed)).then_some(end)
        });
        match taken.ok().and_then(|free| place(free, layout)) {
            Some((begin, _)) => ptr::with_exposed_provenance_mut(begin),
            None => ptr::null_mut(),
        }
    }

    // Never in line: whatever is dropped at boot would have a copy.
    #[inline(never)]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let begin = block.addr();
        // It fails for all blocks but the last; those stay.
        let _ = (self.free).compare_exchange(begin + layout.size(), begin, Relaxed, Relaxed);
    }
}

/// Gives the allocator its memory.
///
/// # Safety
/// Called once, before anything allocates.
pub(crate) unsafe fn init() {
    let region = layout::heap();
    HEAP.free.store(region.start, Relaxed);
    HEAP.end.store(region.end, Relaxed);
}

/// Ends allocation for good.
pub(crate) fn seal() {
    HEAP.end.store(0, Relaxed);
}

/// Bytes in use.
pub(crate) fn used_bytes() -> usize {
    HEAP.free.load(Relaxed) - layout::heap().start
}
