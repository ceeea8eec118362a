//! What this core says of itself in its ID registers.
#![expect(
    unsafe_code,
    reason = "an instruction names its register as a constant"
)]
// UNSAFETY: a jump into a list of instructions that read registers.

use core::arch::asm;

use unimux_trap::id_registers::IdRegister;

/// The core's own value of an ID register. What is reserved reads as zero (Arm ARM DDI 0487, D24.1).
#[must_use]
pub fn own(register: IdRegister) -> u64 {
    let value;
    // SAFETY: the list has two instructions for each register that an `IdRegister` can be, by its
    // index, and all of them may be read at EL2.
    unsafe {
        asm!(
            "adr {value}, 2f",
            "add {value}, {value}, {index}, lsl #3",
            "br {value}",
            "2:",
            ".irp crm, 1,2,3,4,5,6,7",
            ".irp op2, 0,1,2,3,4,5,6,7",
            "mrs {value}, s3_0_c0_c\\crm\\()_\\op2",
            "b 3f",
            ".endr",
            ".endr",
            "3:",
            value = out(reg) value,
            index = in(reg) register.index(),
            options(nomem, nostack, preserves_flags),
        );
    }
    value
}
