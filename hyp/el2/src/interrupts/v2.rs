//! The physical GICv2: distributor and CPU interface by memory.
//!
//! Source: *Arm Generic Interrupt Controller Architecture Specification, version 2.0*, IHI 0048B;
//! 4.3 (GICD), 4.4 (GICC). Groups are left as they are: without Security Extensions all interrupts
//! are in group 0 after reset, with them the non-secure world sees its own alone, and in both cases
//! bit 0 of the enables is the one (4.3.1, 4.4.1).
#![expect(unsafe_code, reason = "register frames by address")]
// UNSAFETY: references to register blocks at the board's addresses.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use aarch64_cpu::asm::barrier::{ISH, SY, dsb};
use tock_registers::{
    interfaces::{Readable, Writeable},
    register_bitfields, register_structs,
    registers::{ReadOnly, ReadWrite, WriteOnly},
};
use unimux_board::GicV2;

use super::{Controller, ENGINE, Interrupt, InterruptError, OURS, PEER, PRIORITY, Sender};
use crate::{
    core_id,
    gic::{Gic, registers},
};

register_bitfields! {
    u32,

    /// GICD_CTLR, 4.3.1, and GICC_CTLR, 4.4.1: the bits that mean the same in every view.
    Control [
        /// Group 0 without Security Extensions, else the non-secure view's group 1.
        ENABLE OFFSET(0) NUMBITS(1) [],
        /// GICC alone: whether an input from outside replaces what is disabled here. The firmware
        /// knows how that is wired.
        BYPASS OFFSET(5) NUMBITS(4) [],
        /// GICC alone: GICC_EOIR only drops the priority.
        EOI_MODE OFFSET(9) NUMBITS(1) []
    ],

    /// GICD_TYPER, 4.3.2.
    Type [
        /// Banks of 32 interrupts, minus one.
        LINES OFFSET(0) NUMBITS(5) []
    ],

    /// GICD_ICPIDR2, 4.3.18.
    PeripheralId2 [
        /// 2 is GICv2.
        ARCHITECTURE OFFSET(4) NUMBITS(4) []
    ],

    /// GICD_SGIR, 4.3.15, whose target filter 0 sends to the list.
    SoftwareInterrupt [
        INTID OFFSET(0) NUMBITS(4) [],
        TARGETS OFFSET(16) NUMBITS(8) []
    ],

    /// GICC_IAR, 4.4.4; GICC_EOIR and GICC_DIR take the same.
    Acknowledge [
        INTID OFFSET(0) NUMBITS(10) [],
        /// Which core sent an SGI.
        SENDER OFFSET(10) NUMBITS(3) []
    ]
}

register_structs! {
    /// Table 4-1. Those of interrupts 0 to 31 are each core's own.
    Distributor {
        (0x000 => control: ReadWrite<u32, Control::Register>),
        (0x004 => kind: ReadOnly<u32, Type::Register>),
        (0x008 => _reserved0),
        (0x100 => set_enable: [ReadWrite<u32>; 32]),
        (0x180 => clear_enable: [ReadWrite<u32>; 32]),
        (0x200 => _reserved1),
        (0x300 => set_active: [ReadWrite<u32>; 32]),
        (0x380 => clear_active: [ReadWrite<u32>; 32]),
        (0x400 => priority: [ReadWrite<u32>; 255]),
        (0x7fc => _reserved2),
        (0x800 => targets: [ReadWrite<u32>; 255]),
        (0xbfc => _reserved3),
        (0xf00 => software_interrupt: WriteOnly<u32, SoftwareInterrupt::Register>),
        (0xf04 => _reserved4),
        (0xfe8 => peripheral_id_2: ReadOnly<u32, PeripheralId2::Register>),
        (0xfec => _reserved5),
        (0x1000 => @END),
    }
}

register_structs! {
    /// Table 4-2, first page.
    CpuInterface {
        (0x000 => control: ReadWrite<u32, Control::Register>),
        (0x004 => priority_mask: ReadWrite<u32>),
        (0x008 => _reserved0),
        (0x00c => acknowledge: ReadOnly<u32, Acknowledge::Register>),
        (0x010 => end: WriteOnly<u32, Acknowledge::Register>),
        (0x014 => _reserved1),
        (0x1000 => @END),
    }
}

register_structs! {
    /// Table 4-2, second page.
    CpuInterfaceEnd {
        (0x000 => deactivate: WriteOnly<u32, Acknowledge::Register>),
        (0x004 => _reserved0),
        (0x1000 => @END),
    }
}

/// INTIDs from here on are none: spurious, or for somebody else (3.2.4).
const SPECIAL: u32 = 1020;

/// Cores of a GICv2 (2.2.1).
const CORES_MAX: usize = 8;
/// An affinity that no core has: bits 31 to 24 are none of its fields.
const NOBODY: u64 = u64::MAX;
/// The affinity of the core at each CPU interface, by the interface's number, which only that core
/// can read.
static AFFINITIES: [AtomicU64; CORES_MAX] = [const { AtomicU64::new(NOBODY) }; CORES_MAX];

/// The CPU interface of a core, once it has been brought up.
fn interface_of(affinity: u64) -> Option<usize> {
    let of_core = |it: &AtomicU64| it.load(Relaxed) == affinity;
    AFFINITIES.iter().position(of_core)
}

/// Writes the byte of interrupt `intid` in `registers`, which hold four in a word.
fn set_byte(registers: &[ReadWrite<u32>], intid: u32, value: u8) {
    let (word, shift) = (&registers[(intid / 4) as usize], 8 * (intid % 4));
    let others = word.get() & !(0xff << shift);
    word.set(others | u32::from(value) << shift);
}

impl Gic<GicV2> {
    fn distributor(&self) -> &Distributor {
        // SAFETY: the promise of `Gic::new`; register cells may be shared.
        unsafe { registers(self.frames().distributor.base) }
    }

    fn cpu_interface(&self) -> &CpuInterface {
        // SAFETY: as above.
        unsafe { registers(self.frames().cpu_interface[0].base) }
    }

    fn cpu_interface_end(&self) -> &CpuInterfaceEnd {
        // SAFETY: as above.
        unsafe { registers(self.frames().cpu_interface[1].base) }
    }
}

/// Nothing: each core finds what it needs in its own registers.
#[derive(Debug)]
pub struct Cores;

impl Controller for Gic<GicV2> {
    type Cores = Cores;

    fn take_over(&self, _: usize) -> Result<Cores, InterruptError> {
        let distributor = self.distributor();
        let id = &distributor.peripheral_id_2;
        if id.read(PeripheralId2::ARCHITECTURE) != 2 {
            return Err(InterruptError::NotThere);
        }
        distributor.control.set(0);
        let banks = distributor.kind.read(Type::LINES) as usize + 1;
        for bank in distributor.clear_enable.iter().take(banks).skip(1) {
            bank.set(u32::MAX);
        }
        distributor.control.write(Control::ENABLE::SET);
        Ok(Cores)
    }

    fn bring_up_core(&self, Cores: &mut Cores) -> Result<(), InterruptError> {
        let distributor = self.distributor();
        // Whatever ran before may have left something enabled or active.
        distributor.clear_enable[0].set(u32::MAX);
        distributor.clear_active[0].set(u32::MAX);
        for intid in OURS {
            set_byte(&distributor.priority, intid, PRIORITY);
            distributor.set_enable[0].set(1 << intid);
        }
        let interface = self.cpu_interface();
        interface.priority_mask.set(0xff);
        let bypass = Control::BYPASS.val(interface.control.read(Control::BYPASS));
        let enabled = Control::ENABLE::SET + Control::EOI_MODE::SET;
        interface.control.write(enabled + bypass);

        // ITARGETSR0 reads as the interface of who reads (4.3.12), as zero if there is only one.
        let number = (distributor.targets[0].get() & 0xff).checked_ilog2();
        AFFINITIES
            .get(number.unwrap_or(0) as usize)
            .ok_or(InterruptError::NoInterface)?
            .store(core_id::affinity(), Relaxed);
        // From here on others find this core; what they stored before is visible to it.
        dsb(ISH);
        Ok(())
    }

    fn take(&self) -> Option<Interrupt> {
        let interface = self.cpu_interface();
        // All of it goes back: the end of an SGI names its sender (4.4.5).
        let taken = interface.acknowledge.extract();
        let intid = taken.read(Acknowledge::INTID);
        if intid >= SPECIAL {
            return None;
        }
        // Priority drop only, as EOImode is 1.
        interface.end.set(taken.get());
        let interrupt = Interrupt::of(intid);
        if !interrupt.is_the_guests() {
            self.cpu_interface_end().deactivate.set(taken.get());
        }
        // What was stored before an SGI was sent is visible after the acknowledge.
        dsb(SY);
        Some(interrupt)
    }

    fn deactivate(&self, intid: u32) {
        let value = Acknowledge::INTID.val(intid);
        self.cpu_interface_end().deactivate.write(value);
    }

    fn activate(&self, intid: u32) {
        self.distributor().set_active[0].set(1 << intid);
    }

    fn send(&self, affinity: u64, sender: Sender) {
        // What was stored before is visible before the core is looked for and interrupted. One that
        // is not found looks at it when it has come up: see `bring_up_core`.
        dsb(ISH);
        if let Some(interface) = interface_of(affinity) {
            let targets = SoftwareInterrupt::TARGETS.val(1 << interface);
            let intid = SoftwareInterrupt::INTID.val(match sender {
                Sender::Engine => ENGINE,
                Sender::Peer => PEER,
            });
            self.distributor().software_interrupt.write(targets + intid);
        }
    }

    fn route(&self, intid: u32, affinity: u64) {
        if let Some(interface) = interface_of(affinity) {
            let distributor = self.distributor();
            set_byte(&distributor.priority, intid, PRIORITY);
            set_byte(&distributor.targets, intid, 1 << interface);
            distributor.set_enable[(intid / 32) as usize].set(1 << (intid % 32));
        }
    }
}
