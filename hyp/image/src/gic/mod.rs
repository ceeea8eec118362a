//! The interrupt controller that guests see. It is of the kind that the board has, as its list
//! registers are.
//!
//! What differs by kind: where a guest's GIC lies, which of its accesses exit, and how its device tree
//! describes it. What happens then is in `unimux-vgic`.

mod v2;
mod v3;

use unimux_board::Board;
use unimux_paravirt::ExitReason;
use unimux_stage2::{Policy, PolicyError};
use unimux_trap::SystemRegister;
use unimux_vgic::{VcpuSet, Version, VirtualGic};

use crate::board::ThisBoard;

/// Of guests on this board.
pub(crate) type Kind = <ThisBoard as Board>::Gic;

/// The model of a guest's GIC.
pub(crate) type Model = VirtualGic<<Kind as GuestGic>::Version>;

/// A kind of GIC, as guests see it.
pub(crate) trait GuestGic {
    /// Its model.
    type Version: Version;

    /// A register that exits.
    type Place;

    /// Its CPU interface is in system registers.
    const HAS_SYSTEM_REGISTERS: bool;

    /// Its names in a device tree.
    const COMPATIBLE: &'static [&'static str];

    /// What a PPI's interrupt specifier has in its flags, beside the trigger.
    const PPI_FLAGS: u32;

    /// Adds it to what a guest of `vcpus` vCPUs can reach.
    fn add_to(&self, policy: Policy, vcpus: usize) -> Result<Policy, PolicyError>;

    /// Its two frames in a device tree: base and size.
    fn frames(vcpus: usize) -> [(u64, u64); 2];

    /// The register at `ipa`, if an access there exits.
    fn find(ipa: u64, vcpus: usize) -> Option<(ExitReason, Self::Place)>;

    /// A load of `len_bytes` by `vcpu`.
    fn load(
        gic: &VirtualGic<Self::Version>,
        vcpu: usize,
        place: Self::Place,
        len_bytes: usize,
    ) -> u64;

    /// A store of the low `len_bytes` of `value` by `vcpu`. Returns the vCPUs to wake.
    fn store(
        gic: &mut VirtualGic<Self::Version>,
        vcpu: usize,
        place: Self::Place,
        len_bytes: usize,
        value: u64,
    ) -> VcpuSet;

    /// A write to a system register by `vcpu`. `None` if the GIC has no such register.
    fn write_system_register(
        gic: &mut VirtualGic<Self::Version>,
        vcpu: usize,
        register: SystemRegister,
        value: u64,
    ) -> Option<VcpuSet>;
}

/// How far `ipa` is into the range of `len_bytes` at `base`.
pub(crate) fn within(ipa: u64, base: u64, len_bytes: u64) -> Option<u64> {
    ipa.checked_sub(base).filter(|offset| *offset < len_bytes)
}
