//! List registers of a GICv2, by memory: GICH.
//!
//! Source: IHI 0048B, 5.3 (GICH registers). The frame shows each core its own.
#![expect(unsafe_code, reason = "a register frame by address")]
// UNSAFETY: a reference to the register block at the board's address.

use tock_registers::{
    interfaces::{Readable, Writeable},
    register_bitfields, register_structs,
    registers::{ReadOnly, ReadWrite},
};
use unimux_board::GicV2;

use super::{CpuInterface, ListRegisters};
use crate::gic::{Gic, registers};

register_bitfields! {
    u32,

    /// GICH_VTR, 5.3.2.
    Type [
        /// Number of list registers, minus one.
        LISTS OFFSET(0) NUMBITS(6) []
    ]
}

register_structs! {
    /// The map of 5.3, as far as used.
    VirtualControl {
        (0x000 => control: ReadWrite<u32>),
        (0x004 => kind: ReadOnly<u32, Type::Register>),
        (0x008 => machine: ReadWrite<u32>),
        (0x00c => _reserved0),
        (0x0f0 => active_priorities: ReadWrite<u32>),
        (0x0f4 => _reserved1),
        (0x100 => lists: [ReadWrite<u32>; 64]),
        (0x200 => _reserved2),
        (0x1000 => @END),
    }
}

impl Gic<GicV2> {
    fn virtual_control(&self) -> &VirtualControl {
        // SAFETY: the promise of `Gic::new`; register cells may be shared.
        unsafe { registers(self.frames().virtual_control.base) }
    }
}

impl ListRegisters for Gic<GicV2> {
    fn count(&self) -> usize {
        self.virtual_control().kind.read(Type::LISTS) as usize + 1
    }

    fn save(&self) -> CpuInterface {
        let registers = self.virtual_control();
        CpuInterface {
            machine: registers.machine.get(),
            active_priorities: [registers.active_priorities.get(), 0],
        }
    }

    fn restore(&self, interface: &CpuInterface) {
        let registers = self.virtual_control();
        registers.machine.set(interface.machine);
        registers
            .active_priorities
            .set(interface.active_priorities[0]);
    }

    fn set_control(&self, value: u32) {
        self.virtual_control().control.set(value);
    }

    fn read(&self, index: usize) -> u64 {
        self.virtual_control().lists[index].get().into()
    }

    fn write(&self, index: usize, value: u64) {
        self.virtual_control().lists[index].set(value as u32);
    }
}
