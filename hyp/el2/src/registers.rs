//! A block of device registers, for drivers that know no addresses.
#![expect(unsafe_code, reason = "registers are named by address")]
// UNSAFETY: one volatile load and one volatile store, inside a range that was promised.

/// 32-bit registers of a device, as EL2's own map has them.
#[derive(Debug)]
pub struct RegisterBlock {
    base: usize,
    len_bytes: usize,
}

impl RegisterBlock {
    /// The block of `len_bytes` bytes at `base`.
    ///
    /// # Safety
    ///
    /// 1. EL2 has it mapped as device memory whenever it is used.
    /// 2. It is a device's, and nobody else uses it.
    #[must_use]
    pub const unsafe fn at(base: usize, len_bytes: usize) -> Self {
        Self { base, len_bytes }
    }

    /// # Panics
    /// If there is no register at `offset`.
    #[inline]
    fn register(&self, offset: usize) -> *mut u32 {
        assert!(
            offset.is_multiple_of(4) && offset < self.len_bytes,
            "a register of the block"
        );
        core::ptr::with_exposed_provenance_mut(self.base + offset)
    }

    /// Reads a register.
    ///
    /// # Panics
    /// If there is none at `offset`.
    #[inline]
    #[must_use]
    pub fn read(&self, offset: usize) -> u32 {
        // SAFETY: an aligned register of a block that is mapped and ours, as `at` was promised.
        unsafe { self.register(offset).read_volatile() }
    }

    /// Writes a register.
    ///
    /// # Panics
    /// If there is none at `offset`.
    #[inline]
    pub fn write(&mut self, offset: usize, value: u32) {
        // SAFETY: as above.
        unsafe { self.register(offset).write_volatile(value) };
    }
}
