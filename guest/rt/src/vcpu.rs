//! The guest's other vCPUs: start one on a function, know when it has stopped.
#![expect(unsafe_code, reason = "the entry point is an assembly symbol")]
// UNSAFETY: PSCI takes an address, not a function.

use core::sync::atomic::{
    AtomicPtr, AtomicU64,
    Ordering::{Acquire, Release},
};

use crate::psci;

/// Largest number of vCPUs that this runtime has stacks for.
pub const VCPUS_MAX: usize = 4;

/// What a vCPU is to run.
struct Work {
    function: AtomicPtr<()>,
    argument: AtomicU64,
}

static WORK: [Work; VCPUS_MAX] = [const {
    Work {
        function: AtomicPtr::new(core::ptr::null_mut()),
        argument: AtomicU64::new(0),
    }
}; VCPUS_MAX];

// SAFETY: `boot` defines it; only its address is used.
unsafe extern "C" {
    static guest_secondary_entry: u8;
}

/// Starts vCPU `index` (its Aff0) on `work`; it stops when `work` returns.
///
/// # Errors
/// The PSCI status, if it was refused.
///
/// # Panics
/// If the runtime has no stack for that vCPU.
pub fn start(index: usize, work: fn(u64), argument: u64) -> Result<(), i64> {
    prepare(index, work, argument);
    match psci::cpu_on(index as u64, secondary_entry(), index as u64) {
        psci::status::SUCCESS => Ok(()),
        status => Err(status),
    }
}

/// Sets what vCPU `index` will run, for a program that makes the PSCI call itself.
///
/// # Panics
/// As [`start`].
pub fn prepare(index: usize, work: fn(u64), argument: u64) {
    WORK[index].argument.store(argument, Release);
    WORK[index].function.store(work as *mut (), Release);
}

/// Whether vCPU `index` runs.
pub fn is_on(index: usize) -> bool {
    psci::affinity_info(index as u64) != psci::affinity::OFF
}

/// Address that PSCI starts a vCPU at, with the vCPU's index as the context identifier.
pub fn secondary_entry() -> u64 {
    (&raw const guest_secondary_entry).expose_provenance() as u64
}

/// Runs what was set for this vCPU, then stops it.
pub(crate) fn run(index: usize) -> ! {
    let function = WORK[index].function.load(Acquire);
    assert!(!function.is_null(), "vCPU {index} was started without work");
    // SAFETY: what is not null was stored by `start`, which takes a `fn(u64)`.
    let function = unsafe { core::mem::transmute::<*mut (), fn(u64)>(function) };
    function(WORK[index].argument.load(Acquire));
    let refused = psci::cpu_off();
    panic!("vCPU {index} cannot be switched off: {refused}");
}
