//! Moving bytes on the host, where the firmware is tested.
//!
//! Threads that play guests write the same memory, so every access is atomic: whole words where
//! source and destination are aligned alike, bytes elsewhere.
// UNSAFETY: a span's bytes are reached by address.
#![expect(unsafe_code, reason = "a span's bytes are reached by address")]

use core::sync::atomic::{AtomicU8, Ordering};

use unimux_memory::Span;

/// Moves all of `source` to `destination`, which is as long.
pub(super) fn copy(source: Span, destination: Span) {
    let len_bytes = source.len_bytes();
    let mut moved = 0;
    while moved < len_bytes {
        if let (Some(from), Some(to)) = (source.word(moved), destination.word(moved)) {
            to.store(from.load(Ordering::Relaxed), Ordering::Relaxed);
            moved += 8;
        } else {
            byte(destination, moved).store(
                byte(source, moved).load(Ordering::Relaxed),
                Ordering::Relaxed,
            );
            moved += 1;
        }
    }
}

/// The byte `offset` into `span`, which must be inside it.
fn byte(span: Span, offset: u64) -> &'static AtomicU8 {
    let byte = span
        .part(offset, 1)
        .expect("the caller stays inside the span");
    let pointer = core::ptr::with_exposed_provenance::<AtomicU8>(byte.pa().get() as usize);
    // SAFETY: 1. The byte lies in a span, so it is mapped for as long as the program runs and
    // holds no Rust object; others that write it use atomics, too. 2. A byte is always aligned.
    unsafe { &*pointer }
}
