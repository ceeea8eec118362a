//! Memory for what is made at boot: tables, objects of the firmware, guests' device trees.
//!
//! Once the first guest runs, nothing allocates any more, so that no guest can wear memory out and
//! no lock of an allocator lies on its way. [`seal`] enforces it.
#![expect(unsafe_code, reason = "a global allocator is an unsafe trait")]
// UNSAFETY: hands the linker's heap region to the allocator, once.

use core::{
    alloc::{GlobalAlloc, Layout},
    ptr::NonNull,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use linked_list_allocator::Heap;
use unimux_el2::{layout, lock::Lock};

struct BootHeap {
    heap: Lock<Heap>,
    sealed: AtomicBool,
}

#[global_allocator]
static HEAP: BootHeap = BootHeap {
    heap: Lock::new(Heap::empty()),
    sealed: AtomicBool::new(false),
};

// SAFETY: blocks come from `Heap`, which does not hand a byte out twice, under a lock.
unsafe impl GlobalAlloc for BootHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if self.sealed.load(Relaxed) {
            return core::ptr::null_mut();
        }
        let block = self.heap.lock().allocate_first_fit(layout);
        block.map_or(core::ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let block = NonNull::new(block).expect("a block that was allocated");
        // SAFETY: the caller gives back what `alloc` handed out, with the same layout.
        unsafe { self.heap.lock().deallocate(block, layout) }
    }
}

/// Gives the allocator its memory.
///
/// # Safety
/// Called once, before anything allocates.
pub(crate) unsafe fn init() {
    let region = layout::heap();
    let start = core::ptr::with_exposed_provenance_mut(region.start);
    // SAFETY: the linker keeps the region for the heap alone, and it lives as long as the image.
    unsafe { HEAP.heap.lock().init(start, region.len()) }
}

/// Ends allocation for good.
pub(crate) fn seal() {
    HEAP.sealed.store(true, Relaxed);
}

/// Bytes in use.
pub(crate) fn used_bytes() -> usize {
    HEAP.heap.lock().used()
}
