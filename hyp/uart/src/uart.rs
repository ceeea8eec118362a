//! The registers and what they do.

use crate::receiver::{Receiver, depth, trigger};
use crate::registers::{
    AT_FIRST, CR_LBE, CR_RXE, CR_TXE, CR_UARTEN, DR, FIRST_SETTING, FR, FR_RXFE, FR_RXFF,
    FR_SOMEBODY_LISTENS, FR_TXFE, ICR, IDENTIFICATION, LCRH_FEN, MIS, OE, PERIPHERAL_ID, RIS,
    RSR_ECR, RSR_OE, RT, RX, SETTINGS, Setting, TX, WRITABLE,
};

/// A PL011.
#[derive(Clone, Debug)]
pub struct Uart {
    receiver: Receiver,
    settings: [u16; SETTINGS],
    /// Raw interrupt status.
    raised: u16,
    /// RSR.OE.
    has_lost: bool,
}

impl Uart {
    /// As a boot loader leaves it: enabled, with FIFOs, interrupts masked.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            receiver: Receiver::new(),
            settings: AT_FIRST,
            raised: 0,
            has_lost: false,
        }
    }

    /// What a load at `offset` sees. It belongs to a register of 32 bits, of which narrow loads take the
    /// low part; between registers there is zero.
    pub fn read(&mut self, offset: u64) -> u32 {
        let offset = offset & !3;
        let value = match offset {
            DR => self.take(),
            RSR_ECR => {
                if self.has_lost {
                    RSR_OE
                } else {
                    0
                }
            }
            FR => self.flags(),
            RIS => self.raised,
            MIS => self.raised & self.setting(Setting::Imsc),
            PERIPHERAL_ID.. => {
                let index = ((offset - PERIPHERAL_ID) / 4) as usize;
                IDENTIFICATION.get(index).copied().unwrap_or(0).into()
            }
            _ => setting_at(offset).map_or(0, |index| self.settings[index]),
        };
        value.into()
    }

    /// Takes a store at `offset`. Gives the byte that it sends, if it sends one.
    pub fn write(&mut self, offset: u64, value: u32) -> Option<u8> {
        match offset & !3 {
            DR => return self.send(value as u8),
            RSR_ECR => self.has_lost = false,
            ICR => self.raised &= !(value as u16),
            offset => {
                if let Some(index) = setting_at(offset) {
                    self.settings[index] = value as u16 & WRITABLE[index];
                }
            }
        }
        None
    }

    /// A character comes in on the line. One that finds no room, or nobody who receives, is lost.
    pub fn receive(&mut self, byte: u8) {
        if !self.is_on(CR_RXE) || self.setting(Setting::Cr) & CR_LBE != 0 {
            return;
        }
        self.put(byte);
    }

    /// Whether UARTINTR, the interrupt line of all interrupts together, is high (2.8).
    #[must_use]
    pub const fn is_interrupting(&self) -> bool {
        self.raised & self.setting(Setting::Imsc) != 0
    }

    const fn setting(&self, setting: Setting) -> u16 {
        self.settings[setting as usize]
    }

    /// Whether the direction that `enable` of CR is for is enabled.
    const fn is_on(&self, enable: u16) -> bool {
        let both = CR_UARTEN | enable;
        self.setting(Setting::Cr) & both == both
    }

    const fn depth(&self) -> usize {
        depth(self.setting(Setting::Lcrh) & LCRH_FEN != 0)
    }

    /// 3.3.3.
    fn flags(&self) -> u16 {
        let depth = self.depth();
        let level = self.receiver.level(depth);
        let mut flags = FR_TXFE | FR_SOMEBODY_LISTENS;
        if level == 0 {
            flags |= FR_RXFE;
        }
        if level == depth {
            flags |= FR_RXFF;
        }
        flags
    }

    /// What is written is sent: the interrupt of a transmit FIFO that has become empty follows (2.8.3). In
    /// loopback it comes back (3.3.8).
    fn send(&mut self, byte: u8) -> Option<u8> {
        if !self.is_on(CR_TXE) {
            return None;
        }
        self.raised |= TX;
        if self.setting(Setting::Cr) & CR_LBE == 0 {
            return Some(byte);
        }
        if self.is_on(CR_RXE) {
            self.put(byte);
        }
        None
    }

    fn put(&mut self, byte: u8) {
        if self.receiver.push(byte) {
            self.arrived();
        } else {
            self.has_lost = true;
            self.raised |= OE;
        }
    }

    /// A character has come into the FIFO, and a pause follows (2.8.2, 2.8.4).
    fn arrived(&mut self) {
        self.raised |= RT;
        if self.is_at_trigger() {
            self.raised |= RX;
        }
    }

    fn is_at_trigger(&self) -> bool {
        let depth = self.depth();
        self.receiver.level(depth) >= trigger(depth, self.setting(Setting::Ifls))
    }

    /// Reads a character. The interrupts that there is no more reason for end, and if one was waiting for
    /// the place, it arrives.
    fn take(&mut self) -> u16 {
        let Some(character) = self.receiver.pop() else {
            return 0;
        };
        let depth = self.depth();
        if self.receiver.level(depth) == depth {
            self.arrived();
        }
        if !self.is_at_trigger() {
            self.raised &= !RX;
        }
        if self.receiver.is_empty() {
            self.raised &= !RT;
        }
        character
    }
}

impl Default for Uart {
    fn default() -> Self {
        Self::new()
    }
}

fn setting_at(offset: u64) -> Option<usize> {
    let index = offset.checked_sub(FIRST_SETTING)? / 4;
    usize::try_from(index).ok().filter(|it| *it < SETTINGS)
}
