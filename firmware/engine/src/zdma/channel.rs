//! One channel: its registers, and the lists that it reads.

use super::list::{Form, Lists};
use super::register::{
    ADDRESS_BITS, CTRL0, CTRL1, CTRL1_RESET, CTRL2, DATA_ATTR, DATA_ATTR_CACHEABLE,
    DATA_ATTR_RESET, DSCR_ATTR, DSCR_ATTR_COHERENT, DST_DSCR, DST_START, FCI, IDS, IEN,
    IRQ_DST_ACCT, IRQ_SRC_ACCT, ISR, PIECE_BYTES, SRC_DSCR, SRC_START, STATUS, TOTAL_BYTE, control,
    ctrl0, interrupt, status,
};
use crate::EngineError;
use crate::dma::{Channel, Descriptors, Limits, Machine, Piece, Registers};

/// How the core hears that a channel is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Completion {
    /// By looking at the status.
    #[default]
    Poll,
    /// By the channel's interrupt as well, which is raised when it is done or has failed, and gone
    /// when the job was reaped. It wakes a core that waits; the look at the status is the same.
    Interrupt,
}

/// A channel of the ZDMA.
#[derive(Debug)]
pub struct ZdmaChannel<R> {
    registers: R,
    lists: Lists,
    is_coherent: bool,
    completion: Completion,
    /// What CTRL0 was last set to.
    mode: u32,
}

impl<R: Registers> ZdmaChannel<R> {
    /// The channel with these registers. `memory` is for its lists.
    pub const fn new(
        registers: R,
        memory: Descriptors,
        form: Form,
        is_coherent: bool,
        completion: Completion,
    ) -> Self {
        Self {
            registers,
            lists: Lists { memory, form },
            is_coherent,
            completion,
            mode: 0,
        }
    }

    fn write_address(&mut self, registers: [usize; 2], address: u64) {
        self.registers.write(registers[0], address as u32);
        self.registers.write(registers[1], (address >> 32) as u32);
    }

    /// Descriptors in memory, or in registers.
    fn set_mode(&mut self, mode: u32) {
        if self.mode != mode {
            self.registers.write(CTRL0, mode);
            self.mode = mode;
        }
    }

    /// One piece, by registers. The control words stay as [`set_up`](Channel::set_up) left them.
    fn start_simple(&mut self, piece: Piece) {
        self.set_mode(0);
        let sides = [(SRC_DSCR, piece.source), (DST_DSCR, piece.destination)];
        for ([low, high, size, _], address) in sides {
            self.write_address([low, high], address);
            self.registers.write(size, piece.len_bytes);
        }
    }

    fn start_lists(&mut self, pieces: &[Piece], machine: &impl Machine) {
        self.set_mode(ctrl0::POINT_TYPE);
        self.lists.write(pieces, self.is_coherent);
        if !self.is_coherent {
            for range in self.lists.ranges(pieces.len()) {
                machine.clean(range);
            }
        }
        let [sources, destinations] = self.lists.starts();
        self.write_address(SRC_START, sources);
        self.write_address(DST_START, destinations);
    }
}

/// What went wrong, by the interrupt status.
const fn error(interrupts: u32) -> EngineError {
    if interrupts & (interrupt::AXI_RD_SRC_DSCR | interrupt::AXI_RD_DST_DSCR) != 0 {
        EngineError::Descriptor
    } else if interrupts & interrupt::AXI_RD_DATA != 0 {
        EngineError::Read
    } else if interrupts & interrupt::AXI_WR_DATA != 0 {
        EngineError::Write
    } else {
        EngineError::Internal
    }
}

impl<R: Registers> Channel for ZdmaChannel<R> {
    fn limits(&self) -> Limits {
        Limits {
            reach: 1 << ADDRESS_BITS,
            piece_bytes: PIECE_BYTES,
            pieces: self.lists.form.pieces(),
            lane_bytes: 1,
        }
    }

    /// Everything that the engine relies on, as it is out of reset but for the caches' sake, and
    /// for [`ctrl0::OVR_FETCH`].
    fn set_up(&mut self) {
        let (coherent, cacheable, fetches) = match self.is_coherent {
            true => (control::COHRNT, DATA_ATTR_CACHEABLE, DSCR_ATTR_COHERENT),
            false => (0, 0, 0),
        };
        let registers = &mut self.registers;
        registers.write(IDS, interrupt::ALL);
        registers.write(CTRL0, 0);
        registers.write(CTRL1, CTRL1_RESET);
        registers.write(FCI, 0);
        registers.write(DATA_ATTR, DATA_ATTR_RESET | cacheable);
        registers.write(DSCR_ATTR, fetches);
        registers.write(SRC_DSCR[3], coherent);
        registers.write(DST_DSCR[3], coherent);
        registers.write(TOTAL_BYTE, u32::MAX);
        let _ = registers.read(IRQ_SRC_ACCT);
        let _ = registers.read(IRQ_DST_ACCT);
        registers.write(ISR, interrupt::ALL);
        if self.completion == Completion::Interrupt {
            registers.write(IEN, interrupt::DMA_DONE | interrupt::ERRORS);
        }
        self.mode = 0;
    }

    fn start(&mut self, pieces: &[Piece], machine: &impl Machine) {
        match pieces {
            [piece] => self.start_simple(*piece),
            _ => self.start_lists(pieces, machine),
        }
        machine.to_engine();
        self.registers.write(CTRL2, 1);
    }

    fn poll(&mut self, _machine: &impl Machine) -> Option<Result<(), EngineError>> {
        let interrupts = self.registers.read(ISR);
        if interrupts & (interrupt::DMA_DONE | interrupt::ERRORS) == 0 {
            return None;
        }
        // An error is known before the channel has ended what it had outstanding.
        let state = self.registers.read(STATUS) & status::STATE;
        if state != status::DONE && state != status::ERROR {
            return None;
        }
        self.registers.write(ISR, interrupts);
        if interrupts & interrupt::ERRORS != 0 || state == status::ERROR {
            return Some(Err(error(interrupts)));
        }
        Some(Ok(()))
    }

    /// Disables the channel, and lets it go from a pause, which ends it (AM011, "Channel Disabled").
    fn stop(&mut self) {
        self.registers.write(IDS, interrupt::ALL);
        self.registers.write(CTRL2, 0);
        self.registers.write(CTRL0, self.mode | ctrl0::CONT);
    }

    fn is_idle(&mut self) -> bool {
        let state = self.registers.read(STATUS) & status::STATE;
        state == status::DONE || state == status::ERROR
    }
}
