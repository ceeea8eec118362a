//! The guest's console: transmit through the PL011, whole lines at a time.
//!
//! Every character is an exit to EL2, so nothing is printed while something is measured.
#![expect(unsafe_code, reason = "the PL011 is reached by address")]
// UNSAFETY: one device register is written.

use core::fmt::{self, Write};

use spin::Mutex;
use unimux_paravirt::map::UART_BASE;

use crate::{barrier, mmio};

/// UARTDR, the data register, and UARTFR, the flag register (PL011 TRM, DDI0183, 3.3.1, 3.3.3).
const UARTDR: usize = UART_BASE as usize;
const UARTFR: usize = UART_BASE as usize + 0x18;
/// UARTFR.TXFF: the transmit FIFO is full.
const TXFF: u32 = 1 << 5;

struct Pl011;

impl Write for Pl011 {
    /// Waits for room once per piece of text, not per character: Unimux's FIFO holds many lines
    /// and each look is an exit.
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // SAFETY: the PL011's flag register is mapped at this address; reading it does nothing.
        while unsafe { mmio::read32(UARTFR) } & TXFF != 0 {
            barrier::relax();
        }
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
