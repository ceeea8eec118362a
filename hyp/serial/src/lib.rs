//! One UART for guest consoles, log frames and plain text.
//!
//! It does not own a UART and does not lock: EL2 holds its lock for one call of [`encode`], and
//! calls on different cores then interleave chunk by chunk.
//!
//! ```text
//! SOH  channel  bytes…  check  EOT        everything outside of SOH … EOT is plain text
//! 01   00       (0..64) CRC-8  04         (U-Boot, early boot, a panic)
//! ```
//!
//! Between SOH and EOT the bytes 01, 04 and 10 are never sent as they are but as 10 and the byte
//! with bit 6 turned. So whatever a guest prints, it prints on its own channel: no byte of its can
//! begin or end a chunk. And so a reader that lost bytes is in step again at the next SOH; the
//! check tells it which chunk to drop.
//!
//! A chunk is at most [`CHUNK_MAX`] bytes before escaping. What belongs together on a channel (a
//! line, a frame of the log) may be cut anywhere; each channel is a stream of its own.
//!
//! That is the way out. The way in is simpler: see [`Input`].
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod check;
mod decode;
mod encode;
mod input;

pub use decode::{Decoder, Event};
pub use encode::{BREAK, encode};
pub use input::{Input, TYPISTS_MAX, Typed, type_to};

/// Largest number of bytes that one chunk carries.
pub const CHUNK_MAX: usize = 64;

/// Start of a chunk (ASCII SOH).
const START: u8 = 0x01;
/// End of a chunk (ASCII EOT).
const END: u8 = 0x04;
/// The next byte has bit 6 turned (ASCII DLE).
const ESCAPE: u8 = 0x10;
/// What an escaped byte is turned with.
const TURN: u8 = 0x40;

/// Whose bytes a chunk carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Channel {
    /// The log of EL2: defmt frames in rzCOBS encoding, each ended by a zero byte.
    Log,
    /// The console of the guest with this index in the scenario (0 to 254).
    Guest(u8),
}

impl Channel {
    const fn to_byte(self) -> u8 {
        match self {
            Self::Log => 0,
            Self::Guest(index) => index.saturating_add(1),
        }
    }

    const fn from_byte(byte: u8) -> Self {
        match byte {
            0 => Self::Log,
            _ => Self::Guest(byte - 1),
        }
    }
}
