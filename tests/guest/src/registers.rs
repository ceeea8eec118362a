//! All general-purpose registers, before and after one instruction that exits to EL2.
#![expect(unsafe_code, reason = "registers have no names in Rust")]
// UNSAFETY: only assembly can fill every register and look at them after one instruction.

use core::arch::global_asm;

/// An instruction that exits, between filling x1 to x30 with `seed` + number and storing them all.
/// x0 holds the address of a device register, or the number of a call.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct Instruction(unsafe extern "C" fn(x0: u64, seed: u64, after: &mut [u64; 31]));

macro_rules! instruction {
    ($name:ident, $symbol:literal, $text:literal) => {
        // 31 registers are 248 bytes; above them the callee-saved ones and the result's address.
        global_asm!(
            concat!(".pushsection .text.", $symbol, ", \"ax\""),
            concat!($symbol, ":"),
            "sub sp, sp, #368",
            "stp x19, x20, [sp, #256]",
            "stp x21, x22, [sp, #272]",
            "stp x23, x24, [sp, #288]",
            "stp x25, x26, [sp, #304]",
            "stp x27, x28, [sp, #320]",
            "stp x29, x30, [sp, #336]",
            "str x2, [sp, #352]",
            ".irp n, 2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30",
            "add x\\n, x1, #\\n",
            ".endr",
            "add x1, x1, #1",
            $text,
            "stp x0, x1, [sp]",
            "stp x2, x3, [sp, #16]",
            "stp x4, x5, [sp, #32]",
            "stp x6, x7, [sp, #48]",
            "stp x8, x9, [sp, #64]",
            "stp x10, x11, [sp, #80]",
            "stp x12, x13, [sp, #96]",
            "stp x14, x15, [sp, #112]",
            "stp x16, x17, [sp, #128]",
            "stp x18, x19, [sp, #144]",
            "stp x20, x21, [sp, #160]",
            "stp x22, x23, [sp, #176]",
            "stp x24, x25, [sp, #192]",
            "stp x26, x27, [sp, #208]",
            "stp x28, x29, [sp, #224]",
            "str x30, [sp, #240]",
            "ldr x2, [sp, #352]",
            "mov x3, #0",
            "2: ldr x4, [sp, x3, lsl #3]",
            "str x4, [x2, x3, lsl #3]",
            "add x3, x3, #1",
            "cmp x3, #31",
            "b.ne 2b",
            "ldp x19, x20, [sp, #256]",
            "ldp x21, x22, [sp, #272]",
            "ldp x23, x24, [sp, #288]",
            "ldp x25, x26, [sp, #304]",
            "ldp x27, x28, [sp, #320]",
            "ldp x29, x30, [sp, #336]",
            "add sp, sp, #368",
            "ret",
            ".popsection",
        );
        #[doc = concat!("`", $text, "`")]
        pub const $name: Instruction = {
            // SAFETY: the assembly above defines it and keeps the procedure call standard: it
            // restores x19 to x30 and the stack, and writes 31 words to the third argument.
            unsafe extern "C" {
                #[link_name = $symbol]
                fn instruction(x0: u64, seed: u64, after: &mut [u64; 31]);
            }
            Instruction(instruction)
        };
    };
}

instruction!(LOAD_X19, "test_load_x19", "ldr w19, [x0]");
instruction!(LOAD_BYTE_X28, "test_load_byte_x28", "ldrb w28, [x0]");
instruction!(LOAD_SIGNED_X23, "test_load_signed_x23", "ldrsw x23, [x0]");
instruction!(LOAD_X30, "test_load_x30", "ldr w30, [x0]");
instruction!(LOAD_ZR, "test_load_zr", "ldr wzr, [x0]");
instruction!(STORE_X21, "test_store_x21", "str w21, [x0]");
instruction!(STORE_ZR, "test_store_zr", "str wzr, [x0]");
instruction!(HVC, "test_hvc", "hvc #0");
instruction!(SMC, "test_smc", "smc #0");

impl Instruction {
    /// Executes it with `x0` and all other registers filled from `seed`, and returns all of them.
    pub fn execute(self, x0: u64, seed: u64) -> [u64; 31] {
        let mut after = [0; 31];
        // SAFETY: the claims pass device registers that are mapped and calls that return; what the
        // instruction does to the guest's memory is nothing, and the function keeps the standard.
        unsafe { self.0(x0, seed, &mut after) };
        after
    }
}

/// The numbers of the registers among `from..=30` that are not what they were filled with, except
/// `target`; none: -1, otherwise the lowest.
pub fn lowest_changed(after: &[u64; 31], seed: u64, from: usize, target: usize) -> i32 {
    (from..=30)
        .find(|&number| number != target && after[number] != seed + number as u64)
        .map_or(-1, |number| number as i32)
}
