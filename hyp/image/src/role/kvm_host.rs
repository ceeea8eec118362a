//! The host's first core: leaves EL2 to the host's kernel.
//!
//! Unimux never comes back to this core; the host's other cores it never sees. From here on the
//! UART and the interrupt controller's distributor are the host's.
#![expect(unsafe_code, reason = "hands the core over")]
// UNSAFETY: the one call that ends Unimux on this core.

use crate::host;

/// Starts the host.
pub(crate) fn run() -> ! {
    let start = host::HANDED_OVER.lock().take();
    let start = start.expect("the boot core leaves it before this starts");
    defmt::info!(
        "EL2 of this core goes to the host: kernel {=u64:#x}, device tree {=u64:#x}",
        start.kernel.start as u64,
        start.tree.start as u64
    );
    // SAFETY: 1. The kernel's header was checked; the tree was made for it, without what is
    // Unimux'. 2. Both lie in the host's memory, which is mapped.
    unsafe { start.go() }
}
