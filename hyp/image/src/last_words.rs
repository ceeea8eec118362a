//! How a core that cannot go on ends the run: registers, syndrome, backtrace, exit code.
//!
//! Plain text, past the console's lock: whoever holds it may be the one that failed.

use core::{
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

/// Text without `core::fmt`: a release build carries none of it for this.
struct Text<C>(C);

impl<C: Console> Text<C> {
    fn say(&mut self, text: &str) -> &mut Self {
        for byte in text.bytes() {
            if byte == b'\n' {
                self.0.write(b'\r');
            }
            self.0.write(byte);
        }
        self
    }

    fn decimal(&mut self, value: u64) -> &mut Self {
        if value >= 10 {
            self.decimal(value / 10);
        }
        self.0.write(b'0' + (value % 10) as u8);
        self
    }

    /// `0x` and 16 digits.
    fn hex(&mut self, value: u64) -> &mut Self {
        self.say("0x");
        for digit in (0..16).rev() {
            let nibble = (value >> (4 * digit)) as u8 & 0xf;
            let letter = if nibble < 10 { b'0' } else { b'a' - 10 };
            self.0.write(letter + nibble);
        }
        self
    }
}

#[cfg(debug_assertions)]
impl<C: Console> core::fmt::Write for Text<C> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.say(text);
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
        text.say("backtrace:\n");
        backtrace::walk(frame_pointer, |address| {
            text.say("  ").hex(address).say("\n");
        });
    } else {
        text.say("no backtrace: this build keeps no frame pointers\n");
    }
    crate::end::run(EXIT_CODE)
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let mut text = speak();
    text.say("\nUnimux panicked on core ");
    text.decimal(core_id::get() as u64).say(": ");
    #[cfg(debug_assertions)]
    let _ = core::fmt::write(&mut text, format_args!("{info}"));
    // A release build says where, and the message is there: so no message is in the image.
    #[cfg(not(debug_assertions))]
    if let Some(at) = info.location() {
        text.say(at.file()).say(":").decimal(at.line().into());
        text.say(":").decimal(at.column().into());
    }
    text.say("\n");
    end(text, backtrace::frame_pointer())
}

/// Told by the vectors of an exception that EL2 took from itself.
pub(crate) fn own_fault(kind: VectorKind, fault: &OwnFault) -> ! {
    let mut text = speak();
    text.say("\nUnimux took an exception on core ");
    text.decimal(core_id::get() as u64).say(": ");
    text.say(kind.name()).say("\n");
    let numbers = [
        ("esr ", fault.esr),
        (" class ", fault.esr >> 26 & 0x3f),
        ("\nfar ", fault.far),
        (" elr ", fault.elr),
        (" spsr ", fault.spsr),
        (" sp ", fault.sp),
    ];
    for (name, value) in numbers {
        text.say(name).hex(value);
    }
    for (index, value) in (0..).zip(fault.x) {
        text.say(if index % 4 == 0 { "\nx" } else { "  x" });
        text.decimal(index);
        text.say(if index < 10 { "  " } else { " " }).hex(value);
    }
    text.say("\n");
    end(text, fault.x[29])
}
