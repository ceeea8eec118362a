//! From the first instruction to Rust: the arm64 `Image` header and the entry of every vCPU.
#![expect(unsafe_code, reason = "the entry is assembly and calls Rust by name")]
// UNSAFETY: nothing has a stack or a memory type before this code has run.

use core::arch::global_asm;

use crate::{Guest, clock, exception, hypercall, tables, vcpu};

/// Bytes of each vCPU's stack.
const STACK_BYTES: usize = 64 * 1024;

/// SCTLR_EL1: M, C, SA, I, and the bits that are RES1 on ARMv8.0 (Arm ARM, D19.2, SCTLR_EL1).
const SCTLR: u64 = 1 | 1 << 2 | 1 << 3 | 1 << 12 | 0x30d0_0800;

/// CPACR_EL1.FPEN: SIMD and floating point trap nowhere.
const CPACR: u64 = 3 << 20;

// The header is that of Documentation/arch/arm64/booting.rst, 64 bytes; flags: little endian, 4 KiB
// pages. The caches stay off for the shortest time: no data access before SCTLR_EL1.{M,C} are set,
// so nothing is written beside a line that another core may hold.
global_asm!(
    r#"
    .pushsection .text.image_header, "ax"
    .global guest_image
guest_image:
    b       2f
    .word   0
    .quad   guest_text_offset
    .quad   guest_image_size
    .quad   0x2
    .quad   0, 0, 0
    .ascii  "ARM\x64"
    .word   0

2:  mov     x19, x0                     // the device tree
    mov     x20, xzr                    // vCPU 0
    bl      guest_mmu_on
    adrp    x1, guest_bss_start
    add     x1, x1, :lo12:guest_bss_start
    adrp    x2, guest_bss_end
    add     x2, x2, :lo12:guest_bss_end
3:  cmp     x1, x2
    b.hs    4f
    stp     xzr, xzr, [x1], #16
    b       3b
4:  bl      guest_stack_and_vectors
    mov     x0, x19
    bl      guest_first_vcpu
    b       .

    // PSCI enters here with the context identifier in x0: the index of the vCPU.
    .global guest_secondary_entry
guest_secondary_entry:
    mov     x20, x0
    bl      guest_mmu_on
    bl      guest_stack_and_vectors
    mov     x0, x20
    bl      guest_other_vcpu
    b       .

    // x20 = index of the vCPU. Its stack ends at guest_stacks + (index + 1) * STACK_BYTES.
guest_stack_and_vectors:
    adrp    x1, guest_stacks
    add     x1, x1, :lo12:guest_stacks
    mov     x2, {stack_bytes}
    madd    x1, x20, x2, x1
    add     sp, x1, x2
    msr     tpidr_el1, x20
    adrp    x1, guest_vectors
    add     x1, x1, :lo12:guest_vectors
    msr     vbar_el1, x1
    mov     x1, {cpacr}
    msr     cpacr_el1, x1
    mov     x29, xzr                    // end of the frame chain
    isb
    ret

guest_mmu_on:
    ldr     x1, ={mair}
    msr     mair_el1, x1
    ldr     x1, ={tcr}
    msr     tcr_el1, x1
    adrp    x1, {root}
    add     x1, x1, :lo12:{root}
    msr     ttbr0_el1, x1
    isb
    tlbi    vmalle1
    ic      iallu
    dsb     nsh
    isb
    ldr     x1, ={sctlr}
    msr     sctlr_el1, x1
    isb
    ret
    .ltorg
    .popsection

    .pushsection .stacks, "aw", @nobits
    .balign 16
guest_stacks:
    .zero   {stack_bytes} * {vcpus}
    .popsection
    "#,
    stack_bytes = const STACK_BYTES,
    vcpus = const vcpu::VCPUS_MAX,
    sctlr = const SCTLR,
    cpacr = const CPACR,
    mair = const tables::MAIR,
    tcr = const tables::TCR,
    root = sym tables::ROOT,
);

// SAFETY: `entry!` defines it with this signature; a program without one does not link.
unsafe extern "Rust" {
    safe fn guest_main(guest: Guest) -> i32;
}

// SAFETY: only the entry code above calls it, by this name, once, on vCPU 0.
#[unsafe(no_mangle)]
extern "C" fn guest_first_vcpu(dtb_ipa: u64) -> ! {
    exception::unmask_aborts();
    clock::start_cycle_counter();
    let code = guest_main(Guest::at_boot(dtb_ipa));
    hypercall::exit(code)
}

// SAFETY: only the entry code above calls it, by this name.
#[unsafe(no_mangle)]
extern "C" fn guest_other_vcpu(index: usize) -> ! {
    exception::unmask_aborts();
    clock::start_cycle_counter();
    vcpu::run(index)
}
