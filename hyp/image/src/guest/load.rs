//! Fills a guest's memory: cleared RAM, program, payload, device tree.
//!
//! Done by the guest's first core, before the guest runs and again before it is restarted, when
//! nobody else uses the memory: its vCPUs are stopped and its function is taken back.

use unimux_el2::{cache, zero};
use unimux_memory::Span;
use unimux_paravirt::map::IMAGE_OFFSET;

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
    /// Fills the memory.
    ///
    /// # Panics
    /// If a part does not fit, which the checks of the scenario exclude.
    pub(crate) fn load(&self) {
        zero::zero(self.ram);
        self.put(0, self.tree);
        self.put(IMAGE_OFFSET, self.image);
        if let Some((offset, payload)) = self.payload {
            self.put(offset, payload);
        }
        // The guest begins with its MMU off and looks past the caches; and it must not fetch what
        // was there before.
        let start = self.ram.pa().get() as usize;
        cache::clean_and_invalidate(start..start + self.ram.len_bytes() as usize);
        cache::invalidate_instructions();
    }

    fn put(&self, offset: u64, bytes: &[u8]) {
        self.ram
            .part(offset, bytes.len() as u64)
            .and_then(|place| place.write_bytes(bytes))
            .expect("the scenario was checked to fit");
    }
}
