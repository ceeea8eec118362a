//! The physical interrupt controller of this machine, of whichever kind its board has.
//!
//! It has no code of its own: what it does for EL2 is in [`interrupts`](crate::interrupts), what it
//! does for guests in [`lists`](crate::lists), each once per kind. The kind is a type, so an image
//! holds the code of one.
#![expect(unsafe_code, reason = "frames by address, on the caller's word")]
// UNSAFETY: the one place where a board's addresses are believed.

/// A controller of kind `G`, [`GicV2`](unimux_board::GicV2) or [`GicV3`](unimux_board::GicV3).
#[derive(Clone, Copy, Debug)]
pub struct Gic<G>(G);

impl<G> Gic<G> {
    /// The controller whose frames are at `frames`.
    ///
    /// # Safety
    /// There is such a controller. Before any method is called its frames are mapped as device
    /// memory, and they stay so; nobody else uses them on a core that Unimux has.
    pub const unsafe fn new(frames: G) -> Self {
        Self(frames)
    }

    /// Where its frames are.
    pub(crate) const fn frames(&self) -> &G {
        &self.0
    }
}

/// The register block at `base`.
///
/// # Safety
/// There is such a block, mapped as device memory for ever; it is made of register cells.
pub(crate) unsafe fn registers<T>(base: u64) -> &'static T {
    // SAFETY: the caller's promise; register cells may be shared.
    unsafe { &*core::ptr::with_exposed_provenance(base as usize) }
}
