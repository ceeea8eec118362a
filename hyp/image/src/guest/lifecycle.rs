//! Start, stop and restart of a guest, agreed upon by its cores and the engine core in atomics.
//!
//! ```text
//!            any vCPU: end()                 all cores parked, function free
//!  Running ───────────────────▶ Stopping ───────────────────────────────────▶ Ended
//!     ▲                            │
//!     └────────────────────────────┘ the keeper: memory loaded anew, function given back
//! ```
//!
//! The *keeper* is the core of vCPU 0. It alone leaves `Stopping`, after it did, in this order: wait
//! until every vCPU is parked (stop), unmap the doorbell page (unmap), ask the engine core to take
//! the function back and wait (drain, invalidate, free).

use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};

use unimux_el2::{lock::Lock, time};

/// How a guest's life ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// PSCI SYSTEM_OFF.
    Off,
    /// PSCI SYSTEM_RESET.
    Reset,
    /// The vendor call EXIT with this code.
    Exited(u64),
    /// It did something that only a stop can answer; reported already.
    Fault,
}

const RUNNING: u8 = 0;
const STOPPING: u8 = 1;
const ENDED: u8 = 2;

/// The function as its guest's keeper and the engine core see it. The keeper moves `Attached` to
/// `TakeBack` and `Free` to `Give`; the engine core makes the other steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum FunctionState {
    /// The guest may use it.
    Attached = 0,
    /// The engine core is to take it back.
    TakeBack = 1,
    /// The engine core is at it: work in flight is coming to an end.
    Draining = 2,
    /// Nothing of the guest is left in it.
    Free = 3,
    /// The engine core is to hand it out again.
    Give = 4,
}

impl FunctionState {
    fn from_byte(byte: u8) -> Self {
        match byte {
            0 => Self::Attached,
            1 => Self::TakeBack,
            2 => Self::Draining,
            3 => Self::Free,
            _ => Self::Give,
        }
    }
}

/// Set when the engine core has something to do for a guest beside its loop: it looks at one flag
/// per round and at all guests only when it is set.
pub(crate) static ENGINE_WANTED: AtomicBool = AtomicBool::new(false);

/// Has the engine core look at its guests.
pub(crate) fn call_engine() {
    // Release: what is asked for was stored before.
    ENGINE_WANTED.store(true, Ordering::Release);
    time::send_event();
}

/// The state of a guest.
pub(crate) struct Lifecycle {
    phase: AtomicU8,
    /// Lives so far; the parked wait for it to change.
    life: AtomicU32,
    parked: AtomicU32,
    function: AtomicU8,
    end: Lock<End>,
    faults: AtomicU32,
    failed: AtomicBool,
}

impl Lifecycle {
    /// A guest that runs as soon as its cores come.
    pub(crate) fn new() -> Self {
        Self {
            phase: AtomicU8::new(RUNNING),
            life: AtomicU32::new(0),
            parked: AtomicU32::new(0),
            function: AtomicU8::new(FunctionState::Attached as u8),
            end: Lock::new(End::Off),
            faults: AtomicU32::new(0),
            failed: AtomicBool::new(false),
        }
    }

    /// Ends this life. True for the one vCPU whose reason counts; the others come late.
    pub(crate) fn end(&self, end: End) -> bool {
        let mut reason = self.end.lock();
        let first = self
            .phase
            .compare_exchange(RUNNING, STOPPING, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok();
        if first {
            *reason = end;
        }
        first
    }

    /// Whether vCPUs are to leave.
    pub(crate) fn is_stopping(&self) -> bool {
        self.phase.load(Ordering::Acquire) != RUNNING
    }

    /// Whether the guest has ended for good.
    pub(crate) fn has_ended(&self) -> bool {
        self.phase.load(Ordering::Acquire) == ENDED
    }

    /// Whether it ended otherwise than it should have.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Why this life ended.
    pub(crate) fn reason(&self) -> End {
        *self.end.lock()
    }

    /// Which life this is.
    pub(crate) fn life(&self) -> u32 {
        self.life.load(Ordering::Acquire)
    }

    /// A vCPU has left for this life, of which its core sends the keeper's word. Release: what its core did to the guest's memory was before.
    pub(crate) fn park(&self) {
        self.parked.fetch_add(1, Ordering::Release);
    }

    /// Keeper: how many have left.
    pub(crate) fn parked(&self) -> usize {
        self.parked.load(Ordering::Acquire) as usize
    }

    /// Keeper: begins the next life. Its memory is ready, which this makes visible.
    pub(crate) fn revive(&self) {
        self.parked.store(0, Ordering::Relaxed);
        self.phase.store(RUNNING, Ordering::Release);
        self.life.fetch_add(1, Ordering::Release);
    }

    /// Keeper: there is no next life.
    pub(crate) fn finish(&self, failed: bool) {
        self.failed.store(failed, Ordering::Relaxed);
        self.phase.store(ENDED, Ordering::Release);
        call_engine();
    }

    /// Keeper: counts a fault, and gives how many there were before.
    pub(crate) fn count_fault(&self) -> u32 {
        self.faults.fetch_add(1, Ordering::Relaxed)
    }

    /// Where the function is.
    pub(crate) fn function(&self) -> FunctionState {
        FunctionState::from_byte(self.function.load(Ordering::Acquire))
    }

    /// Moves the function on. Whoever does so for the keeper sends its core word.
    pub(crate) fn set_function(&self, state: FunctionState) {
        self.function.store(state as u8, Ordering::Release);
    }

    /// Keeper: asks the engine core for a step. It sends word when it is made.
    pub(crate) fn ask_function(&self, ask: FunctionState) {
        self.set_function(ask);
        call_engine();
    }
}
