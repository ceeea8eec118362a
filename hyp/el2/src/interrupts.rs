//! The physical GICv3: the few interrupts that EL2 takes, and those it sends.
//!
//! Priority drop and deactivation are apart (EOImode 1): EL2 drops the priority of every interrupt
//! as soon as it has taken it, deactivates its own, and leaves the deactivation of the timer to the
//! guest, through the list register's link to the hardware.
#![expect(
    unsafe_code,
    reason = "register frames by address, and a CPU interface register"
)]
// UNSAFETY: one driver over the GIC's frames; ICC_DIR_EL1 has no safe precondition to check.

use core::ptr::NonNull;

use arm_gic::{
    IntId, InterruptGroup, UniqueMmioPointer,
    gicv3::{
        GicCpuInterface, GicError, GicV3, Group, SgiTarget, SgiTargetGroup,
        registers::{Gicd, GicrSgi},
    },
};
use arm_sysregs::el1::{
    accessors::{write_icc_ctlr_el1, write_icc_dir_el1},
    registers::{IccCtlrEl1, IccDirEl1},
};

use crate::core_id;

/// Why EL2 was interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// The engine core has something for the guest on this core.
    Engine,
    /// Another core of the same guest has.
    Peer,
    /// A list register event that EL2 asked for.
    Maintenance,
    /// The guest's virtual timer. It stays active until the guest deactivates it.
    VirtualTimer,
    /// Nothing that EL2 has use for, by number. It is finished already.
    Other(u32),
}

/// SGI from the engine core.
const ENGINE: IntId = IntId::sgi(0);
/// SGI from a core of the same guest.
const PEER: IntId = IntId::sgi(1);
/// GIC maintenance interrupt: PPI 9 (Arm BSA, table of PPI assignments).
const MAINTENANCE: IntId = IntId::ppi(9);
/// EL2 physical timer: PPI 10. It ends [`nap`](crate::time::nap) and is never taken.
const HYPERVISOR_TIMER: IntId = IntId::ppi(10);
/// EL1 virtual timer: PPI 11.
const VIRTUAL_TIMER: IntId = IntId::ppi(11);

const PRIORITY: u8 = 0x80;

/// The interrupt controller, for bringing cores up.
#[derive(Debug)]
pub struct Interrupts {
    gic: GicV3<'static>,
    cores: usize,
}

/// Why the interrupt controller cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InterruptError {
    /// The driver refused: no GICv3 with the expected frames.
    Gic(GicError),
    /// No redistributor for this core.
    NoRedistributor,
}

impl From<GicError> for InterruptError {
    fn from(error: GicError) -> Self {
        Self::Gic(error)
    }
}

impl Interrupts {
    /// Takes the GIC of a board with `cores` cores over.
    ///
    /// # Safety
    /// The frames are a GICv3's, mapped as device memory, and nobody else uses them.
    ///
    /// # Errors
    /// If there is no such GIC.
    pub unsafe fn take(board: &unimux_board::GicV3, cores: usize) -> Result<Self, InterruptError> {
        let distributor = address::<Gicd>(board.distributor.base);
        let redistributors = address::<GicrSgi>(board.redistributors.base);
        GicCpuInterface::enable_system_register_el2(true);
        // SAFETY: the caller's promise.
        let mut gic =
            unsafe { GicV3::new(UniqueMmioPointer::new(distributor), redistributors, cores)? };
        gic.setup(0);
        Ok(Self { gic, cores })
    }

    /// Readies this core to take and send EL2's interrupts.
    ///
    /// # Errors
    /// If no redistributor is this core's.
    pub fn bring_up_core(&mut self) -> Result<(), InterruptError> {
        GicCpuInterface::enable_system_register_el2(true);
        GicCpuInterface::enable_system_register_el1();
        let own = core_id::affinity();
        let mut index = None;
        for candidate in 0..self.cores {
            let affinity = self.gic.gicr_typer(candidate)?.core_mpidr();
            if affinity & core_id::AFFINITY == own {
                index = Some(candidate);
            }
        }
        let index = index.ok_or(InterruptError::NoRedistributor)?;
        // It may be awake already.
        let _ = self.gic.redistributor_mark_core_awake(index);
        for intid in [ENGINE, PEER, MAINTENANCE, HYPERVISOR_TIMER, VIRTUAL_TIMER] {
            self.gic.set_group(intid, Some(index), Group::Group1NS)?;
            self.gic
                .set_interrupt_priority(intid, Some(index), PRIORITY)?;
            self.gic.enable_interrupt(intid, Some(index), true)?;
        }
        write_icc_ctlr_el1(IccCtlrEl1::EOIMODE);
        GicCpuInterface::set_priority_mask(0xff);
        GicCpuInterface::enable_group1(true);
        Ok(())
    }
}

fn address<T>(base: u64) -> NonNull<T> {
    NonNull::new(core::ptr::with_exposed_provenance_mut(base as usize))
        .expect("no board has its GIC at address 0")
}

/// Takes the next pending interrupt of this core, if any.
pub fn take() -> Option<Interrupt> {
    let intid = GicCpuInterface::get_and_acknowledge_interrupt(InterruptGroup::Group1)?;
    // Priority drop only, as EOImode is 1.
    GicCpuInterface::end_interrupt(intid, InterruptGroup::Group1);
    if intid == VIRTUAL_TIMER {
        return Some(Interrupt::VirtualTimer);
    }
    deactivate(intid.into());
    Some(match intid {
        ENGINE => Interrupt::Engine,
        PEER => Interrupt::Peer,
        MAINTENANCE => Interrupt::Maintenance,
        _ => Interrupt::Other(intid.into()),
    })
}

/// Deactivates a physical interrupt of this core, for instance the timer's when the guest will
/// not.
pub fn deactivate(intid: u32) {
    write_icc_dir_el1(IccDirEl1::from_bits_retain(u64::from(intid)));
}

/// Who sends word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The engine core.
    Engine,
    /// A core of the same guest.
    Peer,
}

/// Interrupts the core `affinity`. What was stored before is visible to it when it takes the
/// interrupt.
pub fn send(affinity: u64, sender: Sender) {
    let intid = match sender {
        Sender::Engine => ENGINE,
        Sender::Peer => PEER,
    };
    // A store must be performed before the system register write that announces it (GICv3
    // IHI 0069, 12.1.4 leaves that to the writer).
    aarch64_cpu::asm::barrier::dsb(aarch64_cpu::asm::barrier::ISHST);
    let target = SgiTarget::List {
        affinity3: (affinity >> 32) as u8,
        affinity2: (affinity >> 16) as u8,
        affinity1: (affinity >> 8) as u8,
        target_list: 1 << (affinity & 0xf),
    };
    let sent = GicCpuInterface::send_sgi(intid, target, SgiTargetGroup::CurrentGroup1);
    assert!(sent.is_ok(), "the interrupt is an SGI");
    aarch64_cpu::asm::barrier::isb(aarch64_cpu::asm::barrier::SY);
}
