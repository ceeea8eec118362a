//! The PL011 UART: bytes out by waiting, bytes in by interrupt.
//!
//! Source: PrimeCell UART (PL011) Technical Reference Manual, DDI 0183, chapter 3. QEMU's model
//! needs no baud rate; a board that does sets it in its boot loader, whose settings are kept.
#![expect(
    unsafe_code,
    reason = "device registers are reached through their address"
)]
// UNSAFETY: one reference to a register block at an address that the board states.

use tock_registers::{
    interfaces::{Readable, Writeable},
    register_bitfields, register_structs,
    registers::{ReadOnly, ReadWrite},
};
use unimux_board::{Console, Input};

register_bitfields! {
    u32,

    /// Data register, section 3.3.1.
    Data [
        /// Byte to transmit, or received.
        DATA OFFSET(0) NUMBITS(8) []
    ],

    /// Flag register, section 3.3.3.
    Flags [
        /// Receive FIFO empty.
        RXFE OFFSET(4) NUMBITS(1) [],
        /// Transmit FIFO full.
        TXFF OFFSET(5) NUMBITS(1) []
    ],

    /// Interrupt mask, section 3.3.10.
    Interrupts [
        /// The receive FIFO is as full as it is to get.
        RXIM OFFSET(4) NUMBITS(1) [],
        /// It holds something, and nothing more came for a while.
        RTIM OFFSET(6) NUMBITS(1) []
    ]
}

register_structs! {
    /// Section 3.2, as far as used.
    Registers {
        (0x000 => data: ReadWrite<u32, Data::Register>),
        (0x004 => _reserved0),
        (0x018 => flags: ReadOnly<u32, Flags::Register>),
        (0x01c => _reserved1),
        (0x038 => interrupt_mask: ReadWrite<u32, Interrupts::Register>),
        (0x03c => _reserved2),
        (0x1000 => @END),
    }
}

/// A PL011.
#[derive(Debug)]
pub struct Pl011 {
    base: u64,
}

impl Pl011 {
    /// The UART at `base`, which only this crate states.
    pub(crate) const fn at(base: u64) -> Self {
        Self { base }
    }

    fn registers(&self) -> &Registers {
        let registers = core::ptr::with_exposed_provenance::<Registers>(self.base as usize);
        // SAFETY: the board's only UART base; the page is mapped as device memory for as long as
        // the image runs, and the block is made of register cells, which may be shared.
        unsafe { &*registers }
    }
}

impl Console for Pl011 {
    fn write(&mut self, byte: u8) {
        let registers = self.registers();
        while registers.flags.is_set(Flags::TXFF) {
            core::hint::spin_loop();
        }
        registers.data.write(Data::DATA.val(u32::from(byte)));
    }
}

impl Input for Pl011 {
    fn listen(&mut self) {
        let both = Interrupts::RXIM::SET + Interrupts::RTIM::SET;
        self.registers().interrupt_mask.write(both);
    }

    /// Both interrupts end when the FIFO is empty (sections 2.8.2 and 2.8.4).
    fn read(&mut self) -> Option<u8> {
        let registers = self.registers();
        let is_there = !registers.flags.is_set(Flags::RXFE);
        is_there.then(|| registers.data.read(Data::DATA) as u8)
    }
}
