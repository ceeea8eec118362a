//! Where the log and all guests' consoles go: the UART, or beside a host a virtio-console.
//!
//! A caller sends a whole line or log frame under the lock, so that lines of different cores stay
//! whole. Before [`init`] everything is lost.

use unimux_board::{Board, Console};
use unimux_el2::lock::Lock;
use unimux_serial::{CHUNK_MAX, Channel, encode};
use unimux_tree::Tree;

use crate::{board::ThisBoard, invariant::holds, virtio};

enum Sink {
    None,
    Uart(<ThisBoard as Board>::Console),
    Virtio(virtio::Console),
}

static SINK: Lock<Sink> = Lock::new(Sink::None);

/// Gives the console its UART.
pub(crate) fn init(console: <ThisBoard as Board>::Console) {
    *SINK.lock() = Sink::Uart(console);
}

/// Leaves the UART, which is to be a host's. Without a virtio-console all that follows is lost.
pub(crate) fn leave_uart(tree: &Tree<'_>) {
    let sink = virtio::Console::claim(tree).map_or(Sink::None, Sink::Virtio);
    if matches!(sink, Sink::None) {
        defmt::warn!("the log ends here: the UART is the host's, and there is no virtio-console");
    }
    *SINK.lock() = sink;
}

/// Most bytes of a chunk: its ends, and all between them escaped.
const PIECE: usize = 2 + 2 * (CHUNK_MAX + 2);

/// Sends bytes on a channel.
pub(crate) fn send(channel: Channel, bytes: &[u8]) {
    match &mut *SINK.lock() {
        Sink::None => {}
        Sink::Uart(uart) => encode(channel, bytes, |byte| uart.write(byte)),
        // Chunk by chunk: whatever else comes out of the same place comes between them.
        Sink::Virtio(console) => {
            for chunk in bytes.chunks(CHUNK_MAX) {
                let mut piece = heapless::Vec::<u8, PIECE>::new();
                encode(channel, chunk, |byte| {
                    holds(piece.push(byte), "it is as long as a chunk can be");
                });
                console.write(&piece);
            }
        }
    }
}
