//! The virtual CPU interface of this core: list registers and their controls.
//!
//! What goes into a list register is decided by `unimux-vgic`; here it only gets there.

mod v2;
mod v3;

/// What the guest has set up in its CPU interface, and which priorities are active there.
#[derive(Clone, Copy, Debug, Default)]
pub struct CpuInterface {
    /// ICH_VMCR_EL2 or GICH_VMCR: what the guest sees as its enables, mask and binary points.
    pub(crate) machine: u32,
    /// ICH_AP0R0_EL2 and ICH_AP1R0_EL2, which have a bit for each of 32 priorities; or GICH_APR, for
    /// both groups.
    pub(crate) active_priorities: [u32; 2],
}

/// The list registers of this core. Values are as wide as they come; a GICv2's have 32 bits.
pub trait ListRegisters {
    /// Number of list registers.
    fn count(&self) -> usize;

    /// The virtual CPU interface but for the list registers.
    fn save(&self) -> CpuInterface;

    /// Sets the virtual CPU interface but for the list registers. After reset it is the default.
    fn restore(&self, interface: &CpuInterface);

    /// Sets the hypervisor control register: enable, and what maintenance is asked for.
    fn set_control(&self, value: u32);

    /// List register `index`.
    ///
    /// # Panics
    /// If this core has no such register.
    fn read(&self, index: usize) -> u64;

    /// Sets list register `index`.
    ///
    /// # Panics
    /// If this core has no such register.
    fn write(&self, index: usize, value: u64);
}
