//! The one UART, shared by the log and by all guests' consoles.
//!
//! A caller sends a whole line or log frame under the lock, so that lines of different cores stay
//! whole. Before [`init`] everything is lost.

use unimux_board::{Board, Console};
use unimux_el2::lock::Lock;
use unimux_serial::{Channel, encode};

use crate::board::ThisBoard;

static CONSOLE: Lock<Option<<ThisBoard as Board>::Console>> = Lock::new(None);

/// Gives the console its UART.
pub(crate) fn init(console: <ThisBoard as Board>::Console) {
    *CONSOLE.lock() = Some(console);
}

/// Sends bytes on a channel.
pub(crate) fn send(channel: Channel, bytes: &[u8]) {
    if let Some(console) = CONSOLE.lock().as_mut() {
        encode(channel, bytes, |byte| console.write(byte));
    }
}
