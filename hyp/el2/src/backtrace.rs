//! Walks frame records, for the last words of a core.
//!
//! With debug assertions every function keeps a frame pointer (`xtask` has it built with
//! `-Cforce-frame-pointers`), so a frame is the pair that AAPCS64 section 6.4.6 describes: the
//! caller's x29, then the return address.
#![expect(unsafe_code, reason = "reads stack memory by address")]
// UNSAFETY: reads two words of a stack that was checked to hold them.

use crate::layout;

/// Most frames that are reported.
const DEPTH: usize = 32;

/// Calls `report` with each return address, innermost first, starting at frame pointer `x29`.
/// Stops at whatever does not look like a frame of one of Unimux's stacks.
pub fn walk(mut x29: u64, mut report: impl FnMut(u64)) {
    let stacks = layout::stacks();
    let text = layout::text();
    for _ in 0..DEPTH {
        let at = x29 as usize;
        let in_slot = at % layout::STACK_SLOT;
        let mapped = (layout::STACK_SIZE..=layout::STACK_SLOT - 16).contains(&in_slot);
        if !stacks.contains(&at) || !at.is_multiple_of(16) || !mapped {
            return;
        }
        let frame = core::ptr::with_exposed_provenance::<u64>(at);
        // SAFETY: `at` is aligned and both words are in the mapped half of a stack slot, as checked
        // above. Another core's stack may change under us; a torn frame is only a wrong line.
        let (next, address) = unsafe { (frame.read_volatile(), frame.add(1).read_volatile()) };
        if !text.contains(&(address as usize)) {
            return;
        }
        report(address);
        // Frames go up the stack; anything else is a loop.
        if next <= x29 {
            return;
        }
        x29 = next;
    }
}

/// This function's caller's frame pointer.
#[inline(always)]
pub fn frame_pointer() -> u64 {
    let x29;
    // SAFETY: reads a register.
    unsafe { core::arch::asm!("mov {}, x29", out(reg) x29, options(nomem, nostack)) };
    x29
}

/// Whether an address is in the unmapped half of a stack slot.
pub fn is_below_a_stack(address: u64) -> bool {
    let at = address as usize;
    layout::stacks().contains(&at)
        && at % layout::STACK_SLOT < layout::STACK_SLOT - layout::STACK_SIZE
}
