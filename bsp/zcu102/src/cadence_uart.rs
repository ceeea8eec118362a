//! The Cadence UART of the processing system, transmit only: all that Unimux needs of it.
//!
//! Source: Zynq UltraScale+ register reference UG1087, module UART. Speed and frame are the boot
//! loader's, whose settings are kept; only a transmitter that nobody has switched on is.
#![expect(
    unsafe_code,
    reason = "device registers are reached through their address"
)]
// UNSAFETY: one reference to a register block at an address that the board states.

use tock_registers::{
    interfaces::{Readable, Writeable},
    register_bitfields, register_structs,
    registers::{ReadOnly, ReadWrite, WriteOnly},
};
use unimux_board::Console;

register_bitfields! {
    u32,

    /// Control.
    Control [
        /// Transmitter on.
        TXEN OFFSET(4) NUMBITS(1) [],
        /// Transmitter off, whatever `TXEN` says.
        TXDIS OFFSET(5) NUMBITS(1) []
    ],

    /// Channel status.
    Status [
        /// Transmit FIFO empty.
        TEMPTY OFFSET(3) NUMBITS(1) [],
        /// Transmit FIFO full.
        TFUL OFFSET(4) NUMBITS(1) [],
        /// A frame is being shifted out.
        TACTIVE OFFSET(11) NUMBITS(1) []
    ],

    /// Both FIFOs.
    Fifo [
        /// Byte to transmit.
        DATA OFFSET(0) NUMBITS(8) []
    ]
}

register_structs! {
    /// As far as used.
    Registers {
        (0x000 => control: ReadWrite<u32, Control::Register>),
        (0x004 => _reserved0),
        (0x02c => status: ReadOnly<u32, Status::Register>),
        (0x030 => fifo: WriteOnly<u32, Fifo::Register>),
        (0x034 => _reserved1),
        (0x1000 => @END),
    }
}

/// A UART.
#[derive(Debug)]
pub struct CadenceUart {
    base: u64,
}

impl CadenceUart {
    /// The UART at `base`, which only this crate states, ready to transmit.
    pub(crate) fn at(base: u64) -> Self {
        let uart = Self { base };
        let control = &uart.registers().control;
        if !control.is_set(Control::TXEN) || control.is_set(Control::TXDIS) {
            // The other bits of this register are settings of the receiver and commands that read
            // as zero once they are carried out, but for a break that goes on (bit 7): written as
            // zero it ends.
            control.write(Control::TXEN::SET);
        }
        uart
    }

    /// Waits until every byte is out on the line.
    #[cfg_attr(
        not(target_os = "none"),
        expect(dead_code, reason = "the end of a run")
    )]
    pub(crate) fn drain(&self) {
        let status = &self.registers().status;
        while !status.is_set(Status::TEMPTY) || status.is_set(Status::TACTIVE) {
            core::hint::spin_loop();
        }
    }

    fn registers(&self) -> &Registers {
        let registers = core::ptr::with_exposed_provenance::<Registers>(self.base as usize);
        // SAFETY: the board's only UART base; the page is mapped as device memory for as long as
        // the image runs, and the block is made of register cells, which may be shared.
        unsafe { &*registers }
    }
}

impl Console for CadenceUart {
    fn write(&mut self, byte: u8) {
        let registers = self.registers();
        while registers.status.is_set(Status::TFUL) {
            core::hint::spin_loop();
        }
        registers.fifo.write(Fifo::DATA.val(u32::from(byte)));
    }
}
