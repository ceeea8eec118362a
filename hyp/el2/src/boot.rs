//! Entry: arm64 `Image` header, primary and secondary cores, MMU on before Rust.
//!
//! The header is that of Linux' `Documentation/arch/arm64/booting.rst`, so QEMU's `-kernel` and
//! U-Boot's `booti` both load the raw image and pass the device tree in x0; an ELF loader enters at
//! the same first byte. Caches and MMU are on before the first Rust instruction: Rust's atomics are
//! exclusives, which need cacheable memory, and writing memory uncached that the other cores see
//! cached would lose it.
//!
//! Not here: the map of the machine (see [`crate::stage1`]); the table used here is the board's and
//! lives until that one takes over.
#![expect(
    unsafe_code,
    reason = "there is no other language for the first instructions"
)]
// UNSAFETY: naked functions, and symbols that the linker looks for by name.

use core::arch::{global_asm, naked_asm};

/// MAIR_EL2: index 0 Device-nGnRE, 1 Normal write-back, 2 Normal non-cacheable (Arm ARM DDI 0487,
/// MAIR_EL2). Constant from the first instruction on.
pub const MAIR: u64 = 0x44_ff_04;

/// TCR_EL2 but for the physical address size: 39-bit addresses from level 1, 4 KiB granule, tables
/// in inner-shareable write-back memory, RES1 bits 31 and 23.
const TCR: u64 = 25 | (1 << 8) | (1 << 10) | (3 << 12) | (1 << 23) | (1 << 31);

/// SCTLR_EL2: RES1 bits, and M, C, SA, I.
const SCTLR: u64 = 0x30c5_0830 | (1 << 0) | (1 << 2) | (1 << 3) | (1 << 12);

/// The table of the entry code; the image makes one from its board and exports it under the name
/// `entry_table`.
#[derive(Debug)]
#[repr(C, align(4096))]
pub struct EntryTable(pub [u64; 512]);

global_asm!(
    ".pushsection .head, \"ax\"",
    ".balign 64",
    ".global image_head",
    "image_head:",
    "    b     {entry}",
    "    .long 0",
    "    .quad TEXT_OFFSET",
    "    .quad IMAGE_SIZE",
    "    .quad 2",               // little endian, 4 KiB pages, near the start of RAM
    "    .quad 0, 0, 0",
    "    .ascii \"ARM\\x64\"",
    "    .long 0",
    ".popsection",
    entry = sym entry,
);

/// First code on the boot core: x0 = device tree, or 0.
///
/// # Safety
/// Only for the loader, with MMU off, at EL2.
#[unsafe(naked)]
unsafe extern "C" fn entry() -> ! {
    naked_asm!(
        "mrs   x1, CurrentEL",
        "cmp   x1, #(2 << 2)",
        "b.ne  2f",
        "mov   x19, x0",
        "adrp  x0, entry_table",
        "bl    {mmu_on}",
        // Clear bss; linked at 16-byte boundaries.
        "adrp  x1, bss_begin",
        "add   x1, x1, :lo12:bss_begin",
        "adrp  x2, bss_end",
        "add   x2, x2, :lo12:bss_end",
        "0:",
        "cmp   x1, x2",
        "b.hs  1f",
        "stp   xzr, xzr, [x1], #16",
        "b     0b",
        "1:",
        // Slot 0's stack until the core knows its number.
        "adrp  x1, stacks_begin",
        "add   x1, x1, #({slot} >> 12), lsl #12",
        "mov   sp, x1",
        "mov   x29, xzr",
        "mov   x30, xzr",
        "mov   x0, x19",
        "b     image_main",
        // Not at EL2: nothing can be promised, not even a console.
        "2:",
        "wfe",
        "b     2b",
        mmu_on = sym mmu_on,
        slot = const crate::layout::STACK_SLOT,
    )
}

/// What a secondary core starts with. Cleaned to the point of coherency by whoever makes it, as it
/// is read with the MMU off.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct SecondaryStart {
    /// Physical address of the translation table to run on.
    pub(crate) root: u64,
    /// Initial stack pointer.
    pub(crate) stack: u64,
    /// Rust entry.
    pub(crate) entry: extern "C" fn(u64) -> !,
    /// Its argument.
    pub(crate) argument: u64,
}

/// First code on a secondary core: x0 = physical address of a [`SecondaryStart`].
///
/// # Safety
/// Only as the entry point of PSCI CPU_ON.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn secondary_entry() -> ! {
    naked_asm!(
        "mov   x19, x0",
        "ldr   x0, [x19, #0]",
        "bl    {mmu_on}",
        "ldp   x1, x2, [x19, #8]",
        "mov   sp, x1",
        "ldr   x0, [x19, #24]",
        "mov   x29, xzr",
        "mov   x30, xzr",
        "br    x2",
        mmu_on = sym mmu_on,
    )
}

/// Masks exceptions, turns MMU and caches on with the table in x0, sets the vectors. Clobbers x1
/// to x3.
///
/// # Safety
/// Only for the entry codes above: MMU off, identity map in x0.
#[unsafe(naked)]
unsafe extern "C" fn mmu_on() {
    naked_asm!(
        "msr   daifset, #0xf",
        "msr   spsel, #1",
        // E2H off, EL1 is AArch64, nothing else yet.
        "mov   x1, #(1 << 31)",
        "msr   hcr_el2, x1",
        "isb",
        "movz  x1, #{mair_low}",
        "movk  x1, #{mair_high}, lsl #16",
        "msr   mair_el2, x1",
        "movz  x1, #{tcr_low}",
        "movk  x1, #{tcr_high}, lsl #16",
        // PS: what the core has, at most 40 bits (Cortex-A53) as far as our 39 bits care.
        "mrs   x2, id_aa64mmfr0_el1",
        "and   x2, x2, #0x7",
        "orr   x1, x1, x2, lsl #16",
        "msr   tcr_el2, x1",
        "msr   ttbr0_el2, x0",
        "adrp  x1, {vectors}",
        "add   x1, x1, :lo12:{vectors}",
        "msr   vbar_el2, x1",
        // Nothing trapped to EL2 from EL2 itself: floating point (the cpu engine), timers.
        "mov   x1, #0x33ff",
        "msr   cptr_el2, x1",
        // TLB and instruction cache may hold what a boot loader left.
        "isb",
        "tlbi  alle2",
        "tlbi  alle1",
        "ic    iallu",
        "dsb   nsh",
        "isb",
        "movz  x1, #{sctlr_low}",
        "movk  x1, #{sctlr_high}, lsl #16",
        "msr   sctlr_el2, x1",
        "isb",
        "ret",
        mair_low = const MAIR & 0xffff,
        mair_high = const MAIR >> 16,
        tcr_low = const TCR & 0xffff,
        tcr_high = const TCR >> 16,
        sctlr_low = const SCTLR & 0xffff,
        sctlr_high = const SCTLR >> 16,
        vectors = sym crate::vectors::vectors,
    )
}
