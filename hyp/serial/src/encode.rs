//! Bytes of a channel into chunks.
//!
//! It buffers nothing: every byte is out when [`encode`] returns.

use crate::check::Crc8;
use crate::{CHUNK_MAX, Channel, END, ESCAPE, START, TURN};

/// To be sent before plain text when a chunk may have been cut off, as by a panic in the middle of
/// it: the reader drops that chunk and takes what follows as text. Harmless at any other time.
pub const BREAK: [u8; 1] = [END];

/// Sends `bytes` on `channel`, as many chunks as it takes, through `send`, which is given one byte
/// at a time in order.
pub fn encode(channel: Channel, bytes: &[u8], mut send: impl FnMut(u8)) {
    for chunk in bytes.chunks(CHUNK_MAX) {
        let mut crc = Crc8::default();
        let body = core::iter::once(channel.to_byte()).chain(chunk.iter().copied());
        send(START);
        for byte in body {
            crc.add(byte);
            escaped(byte, &mut send);
        }
        escaped(crc.value(), &mut send);
        send(END);
    }
}

fn escaped(byte: u8, send: &mut impl FnMut(u8)) {
    if matches!(byte, START | END | ESCAPE) {
        send(ESCAPE);
        send(byte ^ TURN);
    } else {
        send(byte);
    }
}
