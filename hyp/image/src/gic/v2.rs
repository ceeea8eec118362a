//! A guest's GICv2: the distributor emulated, and for its CPU interface the core's virtual one.
//!
//! Guests share those two pages: each core finds its own registers there (IHI 0048B, 5.5), and a
//! guest has its cores for itself.

use unimux_board::GicV2;
use unimux_memory::{Ipa, Pa};
use unimux_paravirt::{ExitReason, map};
use unimux_stage2::{Attributes, Policy, PolicyError};
use unimux_trap::SystemRegister;
use unimux_vgic::{V2, VcpuSet, VirtualGic};

use super::{GuestGic, within};

impl GuestGic for GicV2 {
    type Version = V2;
    type Place = u64;

    const HAS_SYSTEM_REGISTERS: bool = false;
    const COMPATIBLE: &'static [&'static str] = &["arm,gic-400", "arm,cortex-a15-gic"];
    /// The CPUs that have it: all.
    const PPI_FLAGS: u32 = 0xff << 8;

    fn add_to(&self, policy: Policy, _: usize) -> Result<Policy, PolicyError> {
        let [first, second] = self.virtual_cpu_interface.map(|page| Pa::new(page.base));
        let page = map::GICC_SIZE / 2;
        policy
            .emulate(Ipa::new(map::GICD_BASE), map::GICD_SIZE)?
            .map(Ipa::new(map::GICC_BASE), first, page, Attributes::DEVICE)?
            .map(
                Ipa::new(map::GICC_BASE + page),
                second,
                page,
                Attributes::DEVICE,
            )
    }

    fn frames(_: usize) -> [(u64, u64); 2] {
        [
            (map::GICD_BASE, map::GICD_SIZE),
            (map::GICC_BASE, map::GICC_SIZE),
        ]
    }

    fn find(ipa: u64, _: usize) -> Option<(ExitReason, u64)> {
        let offset = within(ipa, map::GICD_BASE, map::GICD_SIZE)?;
        Some((ExitReason::Distributor, offset))
    }

    fn load(gic: &VirtualGic<V2>, vcpu: usize, offset: u64, len_bytes: usize) -> u64 {
        gic.read(vcpu, offset, len_bytes)
    }

    fn store(
        gic: &mut VirtualGic<V2>,
        vcpu: usize,
        offset: u64,
        len_bytes: usize,
        value: u64,
    ) -> VcpuSet {
        gic.write(vcpu, offset, len_bytes, value)
    }

    fn write_system_register(
        _: &mut VirtualGic<V2>,
        _: usize,
        _: SystemRegister,
        _: u64,
    ) -> Option<VcpuSet> {
        None
    }
}
