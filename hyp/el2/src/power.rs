//! Cores on: PSCI by SMC to the firmware at EL3.

use alloc::boxed::Box;

use smccc::{Smc, psci};

use crate::{boot::SecondaryStart, cache, layout};

/// Why a core did not start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerError {
    /// No stack is left: more cores than `linker/sections.ld` foresees.
    NoStack,
    /// PSCI's answer.
    Firmware(psci::Error),
}

/// Starts the core `affinity` on stack `slot` and the translation table at `root`, in `entry` with
/// `argument`. The core runs with exceptions masked, like the boot core.
///
/// # Errors
/// See [`PowerError`].
pub fn start_core(
    affinity: u64,
    slot: usize,
    root: u64,
    entry: extern "C" fn(u64) -> !,
    argument: u64,
) -> Result<(), PowerError> {
    if slot >= layout::stack_slots() {
        return Err(PowerError::NoStack);
    }
    let stack = layout::stack(slot).end as u64;
    // Lives for ever: the core reads it at a time that nobody waits for.
    let start: &'static SecondaryStart = Box::leak(Box::new(SecondaryStart {
        root,
        stack,
        entry,
        argument,
    }));
    let address = core::ptr::from_ref(start).addr();
    cache::clean_for_uncached_reader(address..address + size_of::<SecondaryStart>());
    let entry_point = crate::boot::secondary_entry as *const () as u64;
    psci::cpu_on::<Smc>(affinity, entry_point, address as u64).map_err(PowerError::Firmware)
}

/// Powers the machine off.
pub fn system_off() -> ! {
    // If even that fails there is nothing left to do but to stand still.
    let _ = psci::system_off::<Smc>();
    loop {
        crate::time::wait_for_event();
    }
}
