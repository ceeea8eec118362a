//! The kvm-host: readies what its kernel starts with.

pub(crate) mod ram;
pub(crate) mod tree;

use unimux_el2::{hand_over::HandOver, lock::Lock};
use unimux_scenario::{Host, HostLayout};

use crate::memory;

/// Where the boot core leaves what the host's first core starts with.
pub(crate) static HANDED_OVER: Lock<Option<HandOver>> = Lock::new(None);

/// Puts the host's device tree into its memory. `kernel_bytes` is what the kernel's header asks
/// for.
///
/// # Panics
/// If the tree does not fit: it is a few kilobytes.
pub(crate) fn ready(host: &Host, place: &HostLayout, kernel_bytes: u64, tree: &[u8]) {
    let room = memory::of_host(place.tree);
    let written = room.write_bytes(tree);
    assert!(written.is_some(), "there is room for a tree");
    let kernel = host.kernel.pa as usize;
    let base = place.tree.base() as usize;
    *HANDED_OVER.lock() = Some(HandOver {
        kernel: kernel..kernel + kernel_bytes as usize,
        tree: base..base + tree.len(),
    });
}
