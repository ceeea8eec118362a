//! How a core that cannot go on ends the run: registers, syndrome, backtrace, exit code.
//!
//! Plain text, past the console's lock: whoever holds it may be the one that failed. It is the only
//! place that formats text at EL2 while guests run.

use core::{
    fmt::{self, Write},
    panic::PanicInfo,
    sync::atomic::{AtomicBool, Ordering::AcqRel},
};

use unimux_board::{Board, Console};
use unimux_el2::{
    backtrace, core_id,
    fault::{OwnFault, VectorKind},
};

use crate::board::ThisBoard;

/// The exit code of a run that Unimux itself broke.
const EXIT_CODE: u8 = 101;

/// The first core to fail speaks; another would only garble it.
static SPEAKING: AtomicBool = AtomicBool::new(false);

struct Text<C>(C);

impl<C: Console> Write for Text<C> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if byte == b'\n' {
                self.0.write(b'\r');
            }
            self.0.write(byte);
        }
        Ok(())
    }
}

/// Whoever may speak. What a core was sending when it was broken off ends with it.
fn speak() -> Text<<ThisBoard as Board>::Console> {
    while SPEAKING.swap(true, AcqRel) {
        unimux_el2::time::wait_for_interrupt();
    }
    let mut console = ThisBoard::last_words();
    for byte in unimux_serial::BREAK {
        console.write(byte);
    }
    Text(console)
}

fn end(mut text: Text<<ThisBoard as Board>::Console>, frame_pointer: u64) -> ! {
    if cfg!(debug_assertions) {
        let _ = writeln!(text, "backtrace:");
        backtrace::walk(frame_pointer, |address| {
            let _ = writeln!(text, "  {address:#x}");
        });
    } else {
        let _ = writeln!(text, "no backtrace: this build keeps no frame pointers");
    }
    crate::end::run(EXIT_CODE)
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let mut text = speak();
    let _ = writeln!(text, "\nUnimux panicked on core {}: {info}", core_id::get());
    end(text, backtrace::frame_pointer())
}

/// Told by the vectors of an exception that EL2 took from itself.
pub(crate) fn own_fault(kind: VectorKind, fault: &OwnFault) -> ! {
    let mut text = speak();
    let _ = writeln!(
        text,
        "\nUnimux took an exception on core {}: {kind:?}",
        core_id::get()
    );
    let (class, iss) = ((fault.esr >> 26) & 0x3f, fault.esr & 0x1ff_ffff);
    let _ = writeln!(
        text,
        "esr {:#010x} (class {class:#04x} {}, iss {iss:#x})  far {:#x}",
        fault.esr,
        class_name(class),
        fault.far
    );
    let _ = writeln!(
        text,
        "elr {:#x}  spsr {:#x}  sp {:#x}",
        fault.elr, fault.spsr, fault.sp
    );
    for (row, registers) in fault.x.chunks(4).enumerate() {
        for (column, value) in registers.iter().enumerate() {
            let _ = write!(text, "x{:<2} {value:#018x}  ", row * 4 + column);
        }
        let _ = writeln!(text);
    }
    end(text, fault.x[29])
}

/// Exception classes that EL2 can take from itself (Arm ARM DDI 0487, ESR_EL2.EC).
fn class_name(class: u64) -> &'static str {
    match class {
        0x00 => "unknown or undefined instruction",
        0x07 => "floating point trapped",
        0x0e => "illegal execution state",
        0x18 => "system register trapped",
        0x21 => "instruction abort",
        0x22 => "PC alignment",
        0x25 => "data abort",
        0x26 => "SP alignment",
        0x2f => "SError",
        0x3c => "BRK",
        _ => "other",
    }
}
