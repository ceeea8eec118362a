//! The core: its registers, and the chain that it reads.

use super::chain::Chain;
use super::register::{BTT, CDMACR, CDMASR, CURDESC, DA, SA, TAILDESC, cr, sr};
use crate::EngineError;
use crate::dma::{Channel, Descriptors, Limits, Machine, Piece, Registers};

/// How a core was built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Build {
    /// Address bits: 32 to 64 (`xlnx,addrwidth`).
    pub address_bits: u32,
    /// Bits of [`BTT`]: 8 to 26 (`xlnx,lengthwidth`, 23 in older cores).
    pub length_bits: u32,
    /// Bytes of a data beat, a power of two (`xlnx,datawidth` over 8).
    pub beat_bytes: u32,
    /// The core shifts bytes (`xlnx,include-dre`). Without that, source and destination have to be
    /// at the same offset in a beat.
    pub shifts: bool,
    /// It sees the cores' caches (`dma-coherent`).
    pub is_coherent: bool,
    /// Its interrupt is to be raised when it is done or has failed.
    pub interrupts: bool,
}

/// An AXI CDMA.
#[derive(Debug)]
pub struct CdmaChannel<R> {
    registers: R,
    chain: Chain,
    build: Build,
    /// There is a scatter/gather engine.
    has_lists: bool,
    /// Descriptors of the list that is under way, or none in simple mode.
    listed: usize,
}

impl<R: Registers> CdmaChannel<R> {
    /// The core with these registers. `memory` is for its descriptors.
    pub fn new(registers: R, memory: Descriptors, build: Build) -> Self {
        let has_lists = registers.read(CDMASR) & sr::SG_INCLUDED != 0;
        Self {
            registers,
            chain: Chain { memory },
            build,
            has_lists,
            listed: 0,
        }
    }

    /// The low word, then, in a core that has it, the high word: for a register that starts
    /// something, the second write does.
    fn write_address(&mut self, registers: [usize; 2], address: u64) {
        self.registers.write(registers[0], address as u32);
        if self.build.address_bits > 32 {
            self.registers.write(registers[1], (address >> 32) as u32);
        }
    }

    /// Control: interrupts as asked for, on completion after `descriptors`.
    fn control(&self, descriptors: usize) -> u32 {
        let enabled = match self.build.interrupts {
            true => cr::IOC_IRQ_EN | cr::ERR_IRQ_EN,
            false => 0,
        };
        enabled | (descriptors as u32) << cr::THRESHOLD
    }

    fn start_simple(&mut self, piece: Piece, machine: &impl Machine) {
        self.registers.write(CDMACR, self.control(1));
        self.write_address(SA, piece.source);
        self.write_address(DA, piece.destination);
        machine.to_engine();
        self.listed = 0;
        self.registers.write(BTT, piece.len_bytes);
    }

    /// Scatter/gather mode is left and entered, which makes the core take a new first descriptor
    /// (PG034, "Scatter Gather Mode").
    fn start_chain(&mut self, pieces: &[Piece], machine: &impl Machine) {
        let count = pieces.len();
        self.chain.write(pieces);
        if !self.build.is_coherent {
            machine.clean_and_invalidate(self.chain.range(count));
        }
        machine.to_engine();
        self.listed = count;
        let control = self.control(count);
        self.registers.write(CDMACR, control);
        self.registers.write(CDMACR, control | cr::SG_MODE);
        self.write_address(CURDESC, self.chain.address(0));
        self.write_address(TAILDESC, self.chain.address(count - 1));
    }

    /// Whether the core wrote that the last descriptor is complete, if there are any.
    fn is_chain_complete(&self, machine: &impl Machine) -> bool {
        if self.listed == 0 {
            return true;
        }
        machine.from_engine();
        if !self.build.is_coherent {
            machine.invalidate(self.chain.range(self.listed));
            machine.to_engine();
        }
        self.chain.is_complete(self.listed - 1)
    }
}

/// What went wrong, by the status.
const fn error(status: u32) -> EngineError {
    if status & (sr::SG_INTERNAL | sr::SG_SLAVE | sr::SG_DECODE) != 0 {
        EngineError::Descriptor
    } else if status & (sr::DMA_SLAVE | sr::DMA_DECODE) != 0 {
        EngineError::Access
    } else {
        EngineError::Internal
    }
}

impl<R: Registers> Channel for CdmaChannel<R> {
    fn limits(&self) -> Limits {
        Limits {
            reach: 1_u64
                .checked_shl(self.build.address_bits)
                .unwrap_or(u64::MAX),
            piece_bytes: 1 << (self.build.length_bits - 1),
            pieces: if self.has_lists { Chain::PIECES } else { 1 },
            lane_bytes: match self.build.shifts {
                true => 1,
                false => u64::from(self.build.beat_bytes),
            },
        }
    }

    fn set_up(&mut self) {
        self.registers.write(CDMASR, sr::INTERRUPTS);
        self.registers.write(CDMACR, self.control(1));
        self.listed = 0;
    }

    fn start(&mut self, pieces: &[Piece], machine: &impl Machine) {
        self.registers.write(CDMASR, sr::INTERRUPTS);
        match pieces {
            [piece] => self.start_simple(*piece, machine),
            _ => self.start_chain(pieces, machine),
        }
    }

    fn poll(&mut self, machine: &impl Machine) -> Option<Result<(), EngineError>> {
        let status = self.registers.read(CDMASR);
        if status & sr::ERRORS != 0 {
            return Some(Err(error(status)));
        }
        if status & sr::IDLE == 0 || status & sr::IOC_IRQ == 0 {
            return None;
        }
        self.registers.write(CDMASR, sr::INTERRUPTS);
        match self.is_chain_complete(machine) {
            true => Some(Ok(())),
            false => Some(Err(EngineError::Descriptor)),
        }
    }

    /// Resets the core, which ends what it has outstanding first.
    fn stop(&mut self) {
        self.registers.write(CDMACR, cr::RESET);
    }

    /// Nothing but the reset is looked at until it is done.
    fn is_idle(&mut self) -> bool {
        self.registers.read(CDMACR) & cr::RESET == 0 && self.registers.read(CDMASR) & sr::IDLE != 0
    }
}
