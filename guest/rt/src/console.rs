//! The guest's console: transmit through the PL011, whole lines at a time.
//!
//! Every character is an exit to EL2, so nothing is printed while something is measured.
#![expect(unsafe_code, reason = "the PL011 is reached by address")]
// UNSAFETY: one device register is written.

use core::fmt::{self, Write};

use spin::Mutex;
use unimux_paravirt::map::UART_BASE;

use crate::mmio;

/// UARTDR, the data register (PL011 TRM, DDI0183, 3.3.1). No flag is polled: Unimux's model takes
/// every character at once, and so does QEMU's.
const UARTDR: usize = UART_BASE as usize;

struct Pl011;

impl Write for Pl011 {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            // SAFETY: the PL011's data register is mapped at this address (unimux-paravirt, map);
            // writing it transmits a character and touches no memory.
            unsafe { mmio::write32(UARTDR, byte.into()) };
        }
        Ok(())
    }
}

static CONSOLE: Mutex<Pl011> = Mutex::new(Pl011);

/// Prints formatted text; [`print!`](crate::print) and [`println!`](crate::println) call it. Lines
/// of two vCPUs do not mix.
pub fn print(text: fmt::Arguments<'_>) {
    // The PL011 above never fails; a `Display` that does loses its own text only.
    let _ = CONSOLE.lock().write_fmt(text);
}

/// As [`print()`], for a vCPU that may have been interrupted while it held the console.
pub(crate) fn print_from_panic(text: fmt::Arguments<'_>) {
    let _ = Pl011.write_fmt(text);
}

/// Prints to the guest's console.
#[macro_export]
macro_rules! print {
    ($($text:tt)*) => { $crate::console::print(::core::format_args!($($text)*)) };
}

/// Prints a line to the guest's console.
#[macro_export]
macro_rules! println {
    () => { $crate::print!("\n") };
    ($($text:tt)*) => { $crate::console::print(::core::format_args!("{}\n", ::core::format_args!($($text)*))) };
}
