//! A guest's PL011: transmit only, a line at a time, never faster than its share.
//!
//! Source of the registers: PL011 TRM, DDI 0183, section 3.2. A guest that writes faster than
//! [`BYTES_PER_SECOND`] sees its transmit FIFO full, as on a real line; what it writes all the
//! same is lost, as on a real line. So it cannot keep the UART from the log and from other guests.

use heapless::Vec;
use unimux_el2::time;
use unimux_serial::Channel;

/// What a guest may print in the long run.
const BYTES_PER_SECOND: u64 = 64 << 10;
/// What it may print at once.
const BURST_BYTES: u64 = 64 << 10;
/// Longest piece of a line that is sent in one.
const LINE_MAX: usize = 160;

/// Data register.
const DR: u64 = 0x000;
/// Flag register.
const FR: u64 = 0x018;
/// Raw interrupt status, masked interrupt status.
const RIS: u64 = 0x03c;
const MIS: u64 = 0x040;
/// First identification register; eight of them, one byte each (sections 3.3.15 to 3.3.22).
const PERIPHERAL_ID: u64 = 0xfe0;
const IDENTIFICATION: [u8; 8] = [0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1];

/// FR: transmit FIFO empty, receive FIFO empty, transmit FIFO full.
const TXFE: u64 = 1 << 7;
const RXFE: u64 = 1 << 4;
const TXFF: u64 = 1 << 5;

/// The console.
pub(crate) struct GuestConsole {
    channel: Channel,
    line: Vec<u8, LINE_MAX>,
    /// Bytes that may be printed now.
    allowance: u64,
    /// When the allowance was last filled up.
    filled_at: u64,
    /// The settings that a driver writes and reads back: all plain 32-bit words below 0x50.
    settings: [u32; 20],
    lost: u64,
}

impl GuestConsole {
    /// The console of the guest number `index`.
    pub(crate) fn new(index: usize) -> Self {
        Self {
            channel: Channel::Guest(index as u8),
            line: Vec::new(),
            allowance: BURST_BYTES,
            filled_at: 0,
            settings: [0; 20],
            lost: 0,
        }
    }

    /// What a load at `offset` sees.
    pub(crate) fn read(&mut self, offset: u64) -> u64 {
        match offset {
            FR => {
                self.fill_up();
                RXFE | if self.allowance == 0 { TXFF } else { TXFE }
            }
            DR | RIS | MIS => 0,
            PERIPHERAL_ID.. => {
                let index = ((offset - PERIPHERAL_ID) / 4) as usize;
                u64::from(IDENTIFICATION.get(index).copied().unwrap_or(0))
            }
            _ => u64::from(
                self.settings
                    .get((offset / 4) as usize)
                    .copied()
                    .unwrap_or(0),
            ),
        }
    }

    /// Takes a store at `offset`.
    pub(crate) fn write(&mut self, offset: u64, value: u64) {
        if offset == DR {
            self.put(value as u8);
        } else if let Some(setting) = self.settings.get_mut((offset / 4) as usize) {
            *setting = value as u32;
        }
    }

    fn put(&mut self, byte: u8) {
        self.fill_up();
        if self.allowance == 0 {
            self.lost += 1;
            return;
        }
        self.allowance -= 1;
        // Room is made below, so this cannot fail.
        let _ = self.line.push(byte);
        if byte == b'\n' || self.line.is_full() {
            self.flush();
        }
    }

    /// Sends what there is of a line.
    pub(crate) fn flush(&mut self) {
        if !self.line.is_empty() {
            crate::console::send(self.channel, &self.line);
            self.line.clear();
        }
    }

    /// Bytes lost since this was last asked.
    pub(crate) fn take_lost(&mut self) -> u64 {
        core::mem::take(&mut self.lost)
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
