//! The guest's console: the PL011, out by whole lines, in by character.
//!
//! Every character is an exit to EL2, so nothing is printed while something is measured.
#![expect(unsafe_code, reason = "the PL011 is reached by address")]
// UNSAFETY: device registers are read and written.

use core::fmt::{self, Write};

use spin::Mutex;
use unimux_paravirt::map::{UART_BASE, UART_INTID};

use crate::gic::IntId;
use crate::{barrier, mmio};

/// UARTDR, the data register, UARTFR, the flag register, and UARTIMSC, the interrupt mask (PL011 TRM,
/// DDI0183, 3.3.1, 3.3.3, 3.3.10).
const UARTDR: usize = UART_BASE as usize;
const UARTFR: usize = UART_BASE as usize + 0x18;
const UARTIMSC: usize = UART_BASE as usize + 0x38;
/// UARTFR.TXFF: the transmit FIFO is full.
const TXFF: u32 = 1 << 5;
/// UARTFR.RXFE: the receive FIFO is empty.
const RXFE: u32 = 1 << 4;
/// UARTIMSC.RXIM and .RTIM: something was received, enough or a while ago.
const RECEIVED: u32 = 1 << 4 | 1 << 6;

/// The interrupt of what was typed, once [`listen`] asks for it; a level, which ends when all is read.
pub const INTID: IntId = IntId(UART_INTID);

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

/// Has the PL011 interrupt when something is typed.
pub fn listen() {
    // SAFETY: the PL011's interrupt mask is mapped at this address; writing it touches no memory.
    unsafe { mmio::write32(UARTIMSC, RECEIVED) };
}

/// The next character that was typed, if there is one.
pub fn read() -> Option<u8> {
    // SAFETY: the PL011's flag register is mapped at this address; reading it does nothing.
    if unsafe { mmio::read32(UARTFR) } & RXFE != 0 {
        return None;
    }
    // SAFETY: the PL011's data register is mapped at this address; reading it takes a character from the
    // FIFO, which is wanted.
    Some(unsafe { mmio::read32(UARTDR) } as u8)
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
