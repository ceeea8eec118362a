//! What was received and not read: the receive FIFO, and the line before it.
//!
//! A real line holds nothing: a character that finds the FIFO full is lost. This one holds back what a
//! person pastes until the guest has read, and then loses as the manual says.

use heapless::Deque;

use crate::registers::DR_OE;

/// Characters that are held, those in the FIFO included.
pub const LINE_BYTES: usize = 256;

/// Characters of the receive FIFO (of revision r1p5).
const FIFO: usize = 32;

/// Characters in the order of their coming.
#[derive(Clone, Debug)]
pub(crate) struct Receiver {
    held: Deque<u16, LINE_BYTES>,
    /// The next character that finds room says that others did not.
    overrun: bool,
}

impl Receiver {
    pub(crate) const fn new() -> Self {
        Self {
            held: Deque::new(),
            overrun: false,
        }
    }

    /// A character comes. False if it is lost.
    pub(crate) fn push(&mut self, byte: u8) -> bool {
        let mark = if self.overrun { DR_OE } else { 0 };
        self.overrun = self.held.push_back(u16::from(byte) | mark).is_err();
        !self.overrun
    }

    /// The oldest character.
    pub(crate) fn pop(&mut self) -> Option<u16> {
        self.held.pop_front()
    }

    /// Characters in a FIFO of this depth.
    pub(crate) fn level(&self, depth: usize) -> usize {
        self.held.len().min(depth)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}

/// How deep the FIFO is: without FIFOs there is one holding register.
pub(crate) const fn depth(fifos: bool) -> usize {
    if fifos { FIFO } else { 1 }
}

/// How many characters raise the receive interrupt (3.3.9, UARTIFLS.RXIFLSEL). The manual reserves what is
/// beyond seven eighths; here it is seven eighths.
pub(crate) fn trigger(depth: usize, ifls: u16) -> usize {
    let eighths = match ifls >> 3 & 7 {
        0 => 1,
        1 => 2,
        2 => 4,
        3 => 6,
        _ => 7,
    };
    (depth * eighths / 8).max(1)
}
