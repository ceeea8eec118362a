//! A guest's GICv3: all memory emulated, the CPU interface in system registers.

use unimux_board::GicV3;
use unimux_memory::Ipa;
use unimux_paravirt::{ExitReason, map};
use unimux_stage2::{Policy, PolicyError};
use unimux_trap::SystemRegister;
use unimux_vgic::{
    V3, VcpuSet, VirtualGic,
    v3::{Frame, SgiGroup},
};

use super::{GuestGic, within};

impl GuestGic for GicV3 {
    type Version = V3;
    type Place = (Frame, u64);

    const HAS_SYSTEM_REGISTERS: bool = true;
    const COMPATIBLE: &'static [&'static str] = &["arm,gic-v3"];
    const PPI_FLAGS: u32 = 0;

    fn add_to(&self, policy: Policy, vcpus: usize) -> Result<Policy, PolicyError> {
        policy
            .emulate(Ipa::new(map::GICD_BASE), map::GICD_SIZE)?
            .emulate(Ipa::new(map::GICR_BASE), map::GICR_STRIDE * vcpus as u64)
    }

    fn frames(vcpus: usize) -> [(u64, u64); 2] {
        [
            (map::GICD_BASE, map::GICD_SIZE),
            (map::GICR_BASE, map::GICR_STRIDE * vcpus as u64),
        ]
    }

    fn find(ipa: u64, vcpus: usize) -> Option<(ExitReason, Self::Place)> {
        if let Some(offset) = within(ipa, map::GICD_BASE, map::GICD_SIZE) {
            return Some((ExitReason::Distributor, (Frame::Distributor, offset)));
        }
        let offset = within(ipa, map::GICR_BASE, map::GICR_STRIDE * vcpus as u64)?;
        Some((ExitReason::Redistributor, (Frame::Redistributors, offset)))
    }

    fn load(gic: &VirtualGic<V3>, _: usize, (frame, offset): Self::Place, len_bytes: usize) -> u64 {
        gic.read(frame, offset, len_bytes)
    }

    fn store(
        gic: &mut VirtualGic<V3>,
        _: usize,
        (frame, offset): Self::Place,
        len_bytes: usize,
        value: u64,
    ) -> VcpuSet {
        gic.write(frame, offset, len_bytes, value)
    }

    fn write_system_register(
        gic: &mut VirtualGic<V3>,
        vcpu: usize,
        register: SystemRegister,
        value: u64,
    ) -> Option<VcpuSet> {
        match register {
            SystemRegister::ICC_SGI1R_EL1 => Some(gic.send_sgi(vcpu, SgiGroup::One, value)),
            SystemRegister::ICC_SGI0R_EL1 => Some(gic.send_sgi(vcpu, SgiGroup::Zero, value)),
            // The group of a security state that guests do not have.
            SystemRegister::ICC_ASGI1R_EL1 => Some(VcpuSet::EMPTY),
            _ => None,
        }
    }
}
