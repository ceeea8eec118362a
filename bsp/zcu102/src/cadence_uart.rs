//! The Cadence UART of the processing system: bytes out by waiting, bytes in by interrupt.
//!
//! Source: Zynq UltraScale+ register reference UG1087, module UART. Speed and frame are the boot
//! loader's, whose settings are kept; only a transmitter that nobody has switched on is.
#![expect(
    unsafe_code,
    reason = "device registers are reached through their address"
)]
// UNSAFETY: one reference to a register block at an address that the board states.

use tock_registers::{
    interfaces::{ReadWriteable, Readable, Writeable},
    register_bitfields, register_structs,
    registers::{ReadOnly, ReadWrite, WriteOnly},
};
use unimux_board::{Console, Input};

register_bitfields! {
    u32,

    /// Control.
    Control [
        /// Receiver on.
        RXEN OFFSET(2) NUMBITS(1) [],
        /// Receiver off, whatever `RXEN` says.
        RXDIS OFFSET(3) NUMBITS(1) [],
        /// Transmitter on.
        TXEN OFFSET(4) NUMBITS(1) [],
        /// Transmitter off, whatever `TXEN` says.
        TXDIS OFFSET(5) NUMBITS(1) []
    ],

    /// Channel status.
    Status [
        /// Receive FIFO empty.
        REMPTY OFFSET(1) NUMBITS(1) [],
        /// Transmit FIFO empty.
        TEMPTY OFFSET(3) NUMBITS(1) [],
        /// Transmit FIFO full.
        TFUL OFFSET(4) NUMBITS(1) [],
        /// A frame is being shifted out.
        TACTIVE OFFSET(11) NUMBITS(1) []
    ],

    /// Interrupt enable and interrupt status; the status is cleared by ones.
    Interrupts [
        /// The receive FIFO has reached its trigger level.
        RTRIG OFFSET(0) NUMBITS(1) []
    ],

    /// Receive FIFO trigger level.
    Trigger [
        BYTES OFFSET(0) NUMBITS(6) []
    ],

    /// Both FIFOs.
    Fifo [
        /// Byte to transmit, or received.
        DATA OFFSET(0) NUMBITS(8) []
    ]
}

register_structs! {
    /// As far as used.
    Registers {
        (0x000 => control: ReadWrite<u32, Control::Register>),
        (0x004 => _reserved0),
        (0x008 => interrupt_enable: WriteOnly<u32, Interrupts::Register>),
        (0x00c => _reserved1),
        (0x014 => interrupt_status: ReadWrite<u32, Interrupts::Register>),
        (0x018 => _reserved2),
        (0x020 => trigger: ReadWrite<u32, Trigger::Register>),
        (0x024 => _reserved3),
        (0x02c => status: ReadOnly<u32, Status::Register>),
        (0x030 => fifo: ReadWrite<u32, Fifo::Register>),
        (0x034 => _reserved4),
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

impl Input for CadenceUart {
    fn listen(&mut self) {
        let registers = self.registers();
        (registers.control).modify(Control::RXEN::SET + Control::RXDIS::CLEAR);
        registers.trigger.write(Trigger::BYTES.val(1));
        (registers.interrupt_enable).write(Interrupts::RTRIG::SET);
    }

    fn read(&mut self) -> Option<u8> {
        let registers = self.registers();
        if registers.status.is_set(Status::REMPTY) {
            // Cleared before the second look: a byte that comes in between sets it again.
            (registers.interrupt_status).write(Interrupts::RTRIG::SET);
            if registers.status.is_set(Status::REMPTY) {
                return None;
            }
        }
        Some(registers.fifo.read(Fifo::DATA) as u8)
    }
}
