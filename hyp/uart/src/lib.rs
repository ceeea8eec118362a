//! The PL011 that a partition guest sees: registers, FIFOs, interrupt line.
//!
//! Source: PrimeCell UART (PL011) Technical Reference Manual, DDI 0183G; sections are those of it. The
//! revision is r1p5, whose FIFOs hold 32 characters.
//!
//! ```text
//!   guest's loads and stores ──▶ read / write ──▶ a byte to send, at once
//!   what is typed            ──▶ receive ──▶ the line ──▶ receive FIFO
//!                                            interrupt line ◀── is_interrupting
//! ```
//!
//! The line is fast: what is written is sent before the guest looks again, so the transmit FIFO is always
//! empty, and what is received arrives as soon as there is room, so a pause follows every character.
//! No character has a framing, parity or break error. The modem's lines say that somebody listens. Not
//! modelled: DMA, IrDA, the integration test registers.
#![no_std]
#![forbid(unsafe_code)]

mod receiver;
mod registers;
mod uart;

pub use receiver::LINE_BYTES;
pub use uart::Uart;
