//! Any memory of the program as a memory region.

use std::sync::atomic::AtomicU64;

use unimux_driver::{Access, Device, MemoryRegion, PageList, Platform, ProtectionDomain};

use crate::page_list::Layout;
use crate::{Arena, Error, pagemap};

/// Registers `words` for `access`; requests name them by their virtual addresses.
///
/// They must stay where they are for as long as the region lives: memory of an [`Arena`] does, and
/// so does memory that is locked, if the kernel does not compact it
/// (`vm.compact_unevictable_allowed=0`). Memory that is not the arena's goes back to the kernel
/// when the program is killed, and what is in flight then may still be written to it; the next
/// program that opens the function, or the agent, ends that.
///
/// # Errors
///
/// [`Error::NotPresent`] if a page was never touched, as [`pagemap::frames`], or the driver's.
pub fn register<P: Platform>(
    device: &mut Device<P>,
    pd: ProtectionDomain,
    arena: &Arena,
    words: &[AtomicU64],
    access: Access,
) -> Result<MemoryRegion, Error> {
    let address = words.as_ptr().addr() as u64;
    let len_bytes = size_of_val(words) as u64;
    let frames = pagemap::frames(address, len_bytes)?;
    let region = match Layout::of(address, &frames) {
        Layout::Range(ipa) => device.register_range(pd, ipa, len_bytes, address, access)?,
        Layout::Pages { pages, shift } => {
            let list = PageList {
                pages: &pages,
                page_shift: shift,
                block: arena.scratch(unimux_driver::bytes_for_page_list(pages.len()))?,
            };
            device.register_pages(pd, &list, address, len_bytes, access)?
        }
    };
    Ok(region)
}
