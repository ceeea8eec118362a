//! A machine that has no virtio devices: its entropy comes from the boot loader, and beside a host
//! its log ends.

use core::convert::Infallible;

use unimux_tree::Tree;

/// No device is taken from a host.
pub(crate) fn claimed() -> heapless::Vec<u64, 2> {
    heapless::Vec::new()
}

/// There is no virtio-rng.
pub(crate) fn random_bytes(_tree: &Tree<'_>) -> Option<[u8; 32]> {
    None
}

/// A virtio-console, of which there is none.
pub(crate) struct Console(Infallible);

impl Console {
    /// There is none to be had.
    pub(crate) fn claim(_tree: &Tree<'_>) -> Option<Self> {
        None
    }

    /// Never called.
    pub(crate) fn write(&mut self, _bytes: &[u8]) {
        match self.0 {}
    }
}
