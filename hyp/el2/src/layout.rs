//! Where the linker put things.
#![expect(unsafe_code, reason = "linker symbols are foreign statics")]
// UNSAFETY: a table of addresses of symbols that `linker/sections.ld` defines.

use core::{arch::global_asm, ops::Range};

/// Bytes of a stack slot: its upper half is the stack, its lower half is never mapped.
pub const STACK_SLOT: usize = 0x2_0000;
/// Bytes of a stack.
pub const STACK_SIZE: usize = STACK_SLOT / 2;

/// Defines one function per range between two symbols. Where these are is in a table: some are further
/// away than code reaches by itself.
macro_rules! ranges {
    ($($(#[$doc:meta])* $name:ident: $begin:ident .. $end:ident;)*) => {
        $(
            $(#[$doc])*
            pub fn $name() -> Range<usize> {
                unsafe extern "C" {
                    #[link_name = concat!("layout_", stringify!($name))]
                    safe static RANGE: [usize; 2];
                }
                let [begin, end] = RANGE;
                begin..end
            }
        )*
        global_asm!(
            ".pushsection .rodata.layout, \"a\"",
            ".balign 8",
            $(
                concat!("layout_", stringify!($name), ": .quad ", stringify!($begin), ", ", stringify!($end)),
                concat!(".global layout_", stringify!($name)),
            )*
            ".popsection",
        );
    };
}

ranges! {
    /// Everything of the image, stacks and heap included.
    image: image_begin..image_end;
    /// Code.
    text: text_begin..text_end;
    /// Constants.
    rodata: rodata_begin..rodata_end;
    /// Variables: data, then bss.
    data: data_begin..bss_end;
    /// Stack slots.
    stacks: stacks_begin..stacks_end;
    /// Doorbell pages.
    doorbells: doorbells_begin..doorbells_end;
    /// Memory for the allocator.
    heap: heap_begin..heap_end;
}

/// Number of stack slots, hence of cores that Unimux can use.
pub fn stack_slots() -> usize {
    stacks().len() / STACK_SLOT
}

/// The mapped half of slot `slot`.
///
/// # Panics
/// If there is no such slot.
pub fn stack(slot: usize) -> Range<usize> {
    assert!(slot < stack_slots());
    let end = stacks().start + (slot + 1) * STACK_SLOT;
    end - STACK_SIZE..end
}
