//! The physical GICv3: system registers, and `arm-gic` for the frames.
#![expect(
    unsafe_code,
    reason = "register frames by address, and a CPU interface register"
)]
// UNSAFETY: one driver over the GIC's frames; ICC_DIR_EL1 has no safe precondition to check.

use core::ptr::NonNull;

use arm_gic::{
    IntId, InterruptGroup, UniqueMmioPointer,
    gicv3::{
        GicCpuInterface, GicError, GicV3 as Driver, Group, SgiTarget, SgiTargetGroup,
        registers::{Gicd, GicrSgi},
    },
};
use arm_sysregs::el1::{
    accessors::{write_icc_ctlr_el1, write_icc_dir_el1},
    registers::{IccCtlrEl1, IccDirEl1},
};
use tock_registers::{
    interfaces::{Readable, Writeable},
    register_bitfields, register_structs,
    registers::{ReadOnly, ReadWrite},
};
use unimux_board::GicV3;

use super::{Controller, ENGINE, Interrupt, InterruptError, OURS, PEER, PRIORITY, Sender};
use crate::{
    core_id,
    gic::{Gic, registers},
};

register_structs! {
    /// IHI 0069, table 12-26: what is written while cores run, when the driver is gone.
    Distributor {
        (0x0000 => _reserved0),
        (0x0100 => set_enable: [ReadWrite<u32>; 32]),
        (0x0180 => _reserved1),
        (0x0400 => priority: [ReadWrite<u8>; 1020]),
        (0x07fc => _reserved2),
        (0x6000 => route: [ReadWrite<u64>; 1020]),
        (0x7fe0 => @END),
    }
}

/// The driver's names of what EL2 enables.
const INTIDS: [IntId; OURS.len()] = {
    let mut intids = [IntId::sgi(0); OURS.len()];
    let mut index = 0;
    while index < OURS.len() {
        intids[index] = match OURS[index] {
            sgi @ 0..16 => IntId::sgi(sgi),
            ppi => IntId::ppi(ppi - 16),
        };
        index += 1;
    }
    intids
};

register_bitfields! {
    u64,

    /// GICR_TYPER (IHI 0069, 12.11).
    RedistributorType [
        /// It has two frames more.
        VLPIS OFFSET(1) NUMBITS(1) [],
        /// None follows.
        LAST OFFSET(4) NUMBITS(1) [],
        /// Aff3 to Aff0 of its core.
        AFFINITY OFFSET(32) NUMBITS(32) []
    ]
}

register_structs! {
    /// A redistributor's two frames, RD_base and SGI_base (IHI 0069, 12.10), as far as the driver does
    /// not have them.
    Redistributor {
        (0x0_0000 => _reserved0),
        (0x0_0008 => kind: ReadOnly<u64, RedistributorType::Register>),
        (0x0_0010 => _reserved1),
        (0x1_0300 => set_active: ReadWrite<u32>),
        (0x1_0304 => _reserved2),
        (0x2_0000 => @END),
    }
}

/// The driver, for bringing cores up.
#[derive(Debug)]
pub struct Cores {
    gic: Driver<'static>,
    cores: usize,
}

impl From<GicError> for InterruptError {
    fn from(_: GicError) -> Self {
        Self::NotThere
    }
}

impl Controller for Gic<GicV3> {
    type Cores = Cores;

    fn take_over(&self, cores: usize) -> Result<Cores, InterruptError> {
        let distributor = address::<Gicd>(self.frames().distributor.base);
        let redistributors = address::<GicrSgi>(self.frames().redistributors.base);
        GicCpuInterface::enable_system_register_el2(true);
        // SAFETY: the promise of `Gic::new`.
        let mut gic =
            unsafe { Driver::new(UniqueMmioPointer::new(distributor), redistributors, cores)? };
        gic.setup(0);
        Ok(Cores { gic, cores })
    }

    fn bring_up_core(&self, cores: &mut Cores) -> Result<(), InterruptError> {
        GicCpuInterface::enable_system_register_el2(true);
        GicCpuInterface::enable_system_register_el1();
        let own = core_id::affinity();
        let mut index = None;
        for candidate in 0..cores.cores {
            let affinity = cores.gic.gicr_typer(candidate)?.core_mpidr();
            if affinity & core_id::AFFINITY == own {
                index = Some(candidate);
            }
        }
        let index = index.ok_or(InterruptError::NoInterface)?;
        // It may be awake already.
        let _ = cores.gic.redistributor_mark_core_awake(index);
        for intid in INTIDS {
            let gic = &mut cores.gic;
            gic.set_group(intid, Some(index), Group::Group1NS)?;
            gic.set_interrupt_priority(intid, Some(index), PRIORITY)?;
            gic.enable_interrupt(intid, Some(index), true)?;
        }
        write_icc_ctlr_el1(IccCtlrEl1::EOIMODE);
        GicCpuInterface::set_priority_mask(0xff);
        GicCpuInterface::enable_group1(true);
        Ok(())
    }

    fn take(&self) -> Option<Interrupt> {
        let intid = GicCpuInterface::get_and_acknowledge_interrupt(InterruptGroup::Group1)?;
        // Priority drop only, as EOImode is 1.
        GicCpuInterface::end_interrupt(intid, InterruptGroup::Group1);
        let interrupt = Interrupt::of(intid.into());
        if !interrupt.is_the_guests() {
            self.deactivate(intid.into());
        }
        Some(interrupt)
    }

    fn deactivate(&self, intid: u32) {
        write_icc_dir_el1(IccDirEl1::from_bits_retain(u64::from(intid)));
    }

    fn activate(&self, intid: u32) {
        let (mut at, own) = (self.frames().redistributors.base, core_id::affinity());
        loop {
            // SAFETY: the promise of `Gic::new`: the frames follow one another up to this core's.
            let frames: &Redistributor = unsafe { registers(at) };
            let affinity = frames.kind.read(RedistributorType::AFFINITY);
            if affinity & 0xff_ffff | (affinity >> 24) << 32 == own {
                frames.set_active.set(1 << intid);
                // Performed before the guest is entered.
                frames.set_active.get();
                return;
            }
            let last = frames.kind.is_set(RedistributorType::LAST);
            assert!(!last, "this core was brought up");
            let has_virtual = frames.kind.is_set(RedistributorType::VLPIS);
            at += size_of::<Redistributor>() as u64 * if has_virtual { 2 } else { 1 };
        }
    }

    fn send(&self, affinity: u64, sender: Sender) {
        // A store must be performed before the system register write that announces it (GICv3
        // IHI 0069, 12.1.4 leaves that to the writer).
        aarch64_cpu::asm::barrier::dsb(aarch64_cpu::asm::barrier::ISHST);
        let target = SgiTarget::List {
            affinity3: (affinity >> 32) as u8,
            affinity2: (affinity >> 16) as u8,
            affinity1: (affinity >> 8) as u8,
            target_list: 1 << (affinity & 0xf),
        };
        let sgi = match sender {
            Sender::Engine => const { IntId::sgi(ENGINE) },
            Sender::Peer => const { IntId::sgi(PEER) },
        };
        let sent = GicCpuInterface::send_sgi(sgi, target, SgiTargetGroup::CurrentGroup1);
        assert!(sent.is_ok(), "the interrupt is an SGI");
        aarch64_cpu::asm::barrier::isb(aarch64_cpu::asm::barrier::SY);
    }

    fn route(&self, intid: u32, affinity: u64) {
        // SAFETY: the promise of `Gic::new`; of these registers the driver writes none of this SPI.
        let distributor: &Distributor = unsafe { registers(self.frames().distributor.base) };
        let index = intid as usize;
        distributor.priority[index].set(PRIORITY);
        // GICD_IROUTER has the affinity as MPIDR_EL1 has it (12.9.22), and bit 31 zero: this core alone.
        distributor.route[index].set(affinity);
        distributor.set_enable[index / 32].set(1 << (intid % 32));
    }
}

fn address<T>(base: u64) -> NonNull<T> {
    NonNull::new(core::ptr::with_exposed_provenance_mut(base as usize))
        .expect("no board has its GIC at address 0")
}
