//! The virtual CPU interface of this core: list registers and their controls.
//!
//! What goes into a list register is decided by `unimux-vgic`; here it only gets there.

mod v2;
mod v3;

/// The list registers of this core. Values are as wide as they come; a GICv2's have 32 bits.
pub trait ListRegisters {
    /// Number of list registers.
    fn count(&self) -> usize;

    /// Makes the virtual CPU interface as after reset, and wires it to EL1.
    fn reset(&self);

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
