//! A guest's console: its UART, and the way out, a line at a time and never faster than its share.
//!
//! A vCPU that writes faster than [`BYTES_PER_SECOND`] waits at EL2 for each byte, as at a full FIFO on a
//! real line, so nothing is lost; the wait is its own, and the UART is left for the log and for other
//! guests.

use heapless::Vec;
use unimux_el2::{lock::Lock, time};
use unimux_serial::Channel;
use unimux_uart::Uart;

/// What a guest may print in the long run.
const BYTES_PER_SECOND: u64 = 64 << 10;
/// What it may print at once.
const BURST_BYTES: u64 = 64 << 10;
/// Longest piece of a line that is sent in one.
const LINE_MAX: usize = 160;

/// The console.
pub(crate) struct GuestConsole {
    channel: Channel,
    uart: Uart,
    line: Vec<u8, LINE_MAX>,
    /// Somebody typed, and no line was ended since: what comes now is an echo, and is sent at once.
    is_typing: bool,
    /// Nothing was written since something was read.
    has_looked: bool,
    /// The level of the interrupt line that was last told.
    told: bool,
    /// Bytes that may be printed now.
    allowance: u64,
    /// When the allowance was last filled up.
    filled_at: u64,
}

impl GuestConsole {
    /// The console of the guest number `index`.
    pub(crate) fn new(index: usize) -> Self {
        Self {
            channel: Channel::Guest(index as u8),
            uart: Uart::new(),
            line: Vec::new(),
            is_typing: false,
            has_looked: false,
            told: false,
            allowance: BURST_BYTES,
            filled_at: 0,
        }
    }

    /// For the next life: the rest of a line is sent, what was typed is forgotten.
    pub(crate) fn reset(&mut self) {
        self.flush();
        self.uart = Uart::new();
        self.is_typing = false;
        self.told = false;
    }

    /// What a load at `offset` sees.
    pub(crate) fn read(&mut self, offset: u64) -> u64 {
        // Who looks again and again waits for an answer to what is no whole line.
        if core::mem::replace(&mut self.has_looked, true) {
            self.flush();
        }
        u64::from(self.uart.read(offset))
    }

    /// Takes a store at `offset`.
    pub(crate) fn write(&mut self, offset: u64, value: u64) {
        if let Some(byte) = self.uart.write(offset, value as u32) {
            self.put(byte);
        }
    }

    /// Somebody types.
    pub(crate) fn receive(&mut self, byte: u8) {
        self.is_typing = true;
        self.flush();
        self.uart.receive(byte);
    }

    /// The level of the interrupt line, if it has changed since this was last asked.
    pub(crate) fn take_change(&mut self) -> Option<bool> {
        let level = self.uart.is_interrupting();
        let has_changed = core::mem::replace(&mut self.told, level) != level;
        has_changed.then_some(level)
    }

    fn put(&mut self, byte: u8) {
        self.has_looked = false;
        self.allowance = self.allowance.saturating_sub(1);
        // Room is made below, so this cannot fail.
        let _ = self.line.push(byte);
        let is_end = byte == b'\n';
        if is_end || self.is_typing || self.line.is_full() {
            self.flush();
        }
        self.is_typing &= !is_end;
    }

    /// Sends what there is of a line.
    pub(crate) fn flush(&mut self) {
        if !self.line.is_empty() {
            crate::console::send(self.channel, &self.line);
            self.line.clear();
        }
    }

    /// Whether a byte may be printed now.
    fn has_room(&mut self) -> bool {
        self.fill_up();
        self.allowance > 0
    }

    fn fill_up(&mut self) {
        if self.allowance == BURST_BYTES {
            // Nothing to gain; time spent idle does not count for later.
            self.filled_at = time::ticks();
            return;
        }
        let now = time::ticks();
        let passed = now.saturating_sub(self.filled_at);
        let gained = passed.saturating_mul(BYTES_PER_SECOND) / time::ticks_per_second().max(1);
        if gained > 0 {
            self.allowance = self.allowance.saturating_add(gained).min(BURST_BYTES);
            self.filled_at = now;
        }
    }
}

/// Waits until a byte may be printed: some 15 us at most, if no other vCPU of the guest prints. Others have
/// the lock in between.
pub(crate) fn wait_for_room(console: &Lock<GuestConsole>) {
    while !console.lock().has_room() {
        time::yield_now();
    }
}
