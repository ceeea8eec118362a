//! Fills a guest's memory: cleared RAM, program, payload, device tree.
//!
//! Done by the guest's first core, before the guest runs and again before it is restarted, when
//! nobody else uses the memory: its vCPUs are stopped and its function is taken back. Done in pieces, as
//! other guests may have the core too.

use unimux_el2::{cache, zero};
use unimux_memory::Span;
use unimux_paravirt::map::IMAGE_OFFSET;

/// What is filled in one go: on a Cortex-A53 about a tenth of a turn of its core. RAM is made of
/// 2 MiB blocks.
const PIECE_BYTES: u64 = 256 << 10;

/// How much of a guest's memory is filled.
pub(crate) struct Loading {
    done_bytes: u64,
}

impl Loading {
    /// Nothing yet.
    pub(crate) fn begin() -> Self {
        Self { done_bytes: 0 }
    }
}

/// What a guest starts with, and where its memory is.
pub(crate) struct Program {
    /// All of its RAM.
    pub(crate) ram: Span,
    /// The arm64 Image, as the boot loader left it.
    pub(crate) image: &'static [u8],
    /// The payload and its place from the start of RAM.
    pub(crate) payload: Option<(u64, &'static [u8])>,
    /// The device tree that the guest gets.
    pub(crate) tree: &'static [u8],
}

impl Program {
    /// Fills a piece of the memory. True if that was the last.
    ///
    /// # Panics
    /// If a part does not fit, which the checks of the scenario exclude.
    pub(crate) fn load_some(&self, loading: &mut Loading) -> bool {
        let at = loading.done_bytes;
        let piece = self.ram.part(at, PIECE_BYTES);
        let piece = piece.expect("RAM is made of whole pieces");
        zero::zero(piece);
        put(piece, at, 0, self.tree);
        put(piece, at, IMAGE_OFFSET, self.image);
        if let Some((offset, payload)) = self.payload {
            put(piece, at, offset, payload);
        }
        // The guest begins with its MMU off and looks past the caches; and it must not fetch what
        // was there before.
        let start = piece.pa().get() as usize;
        cache::clean_and_invalidate(start..start + PIECE_BYTES as usize);
        loading.done_bytes += PIECE_BYTES;
        let is_last = loading.done_bytes == self.ram.len_bytes();
        if is_last {
            cache::invalidate_instructions();
        }
        is_last
    }
}

/// Puts into a `piece` of RAM, which is `at` from its start, what of `bytes` belongs there; they begin
/// at `offset`.
fn put(piece: Span, at: u64, offset: u64, bytes: &[u8]) {
    let from = offset.max(at);
    let to = (offset + bytes.len() as u64).min(at + piece.len_bytes());
    if from < to {
        piece
            .part(from - at, to - from)
            .and_then(|place| {
                place.write_bytes(&bytes[(from - offset) as usize..(to - offset) as usize])
            })
            .expect("the scenario was checked to fit");
    }
}
