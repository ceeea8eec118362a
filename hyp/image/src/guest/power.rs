//! Power state of vCPUs: what PSCI asks for and answers.
//!
//! One byte per vCPU, changed by compare-and-swap, so that of two CPU_ON calls at once one gets
//! `ALREADY_ON`, as PSCI wants (DEN0022, 5.6).

use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};

const OFF: u8 = 0;
const STARTING: u8 = 1;
const ON_PENDING: u8 = 2;
const ON: u8 = 3;

/// A vCPU's power state, and the core it is pinned to.
#[derive(Debug)]
pub(crate) struct VcpuPower {
    /// Affinity of the physical core.
    pub(crate) affinity: u64,
    state: AtomicU8,
    entry: AtomicU64,
    context: AtomicU64,
}

/// What AFFINITY_INFO answers (DEN0022, 5.7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Affinity {
    /// 0.
    On,
    /// 1.
    Off,
    /// 2: asked to start, not running yet.
    OnPending,
}

/// Why a vCPU was not started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotStarted {
    /// It runs already.
    AlreadyOn,
    /// Somebody else is starting it.
    OnPending,
}

impl VcpuPower {
    /// A vCPU that is off.
    pub(crate) fn new(affinity: u64) -> Self {
        Self {
            affinity,
            state: AtomicU8::new(OFF),
            entry: AtomicU64::new(0),
            context: AtomicU64::new(0),
        }
    }

    /// Asks for a start at `entry` with `context` in x0.
    pub(crate) fn start(&self, entry: u64, context: u64) -> Result<(), NotStarted> {
        match self
            .state
            .compare_exchange(OFF, STARTING, Ordering::Acquire, Ordering::Relaxed)
        {
            Ok(_) => {}
            Err(ON) => return Err(NotStarted::AlreadyOn),
            Err(_) => return Err(NotStarted::OnPending),
        }
        self.entry.store(entry, Ordering::Relaxed);
        self.context.store(context, Ordering::Relaxed);
        // Makes the two stores above visible to the core that takes the start.
        self.state.store(ON_PENDING, Ordering::Release);
        Ok(())
    }

    /// Whether a start was asked for and not taken.
    pub(crate) fn is_started(&self) -> bool {
        self.state.load(Ordering::Acquire) == ON_PENDING
    }

    /// On the vCPU's core: takes a start that was asked for, as entry and x0.
    pub(crate) fn take_start(&self) -> Option<(u64, u64)> {
        self.state
            .compare_exchange(ON_PENDING, ON, Ordering::Acquire, Ordering::Relaxed)
            .ok()?;
        Some((
            self.entry.load(Ordering::Relaxed),
            self.context.load(Ordering::Relaxed),
        ))
    }

    /// On the vCPU's core, or when none of the guest's cores runs: the vCPU is off now.
    pub(crate) fn set_off(&self) {
        self.state.store(OFF, Ordering::Release);
    }

    /// For AFFINITY_INFO.
    pub(crate) fn affinity_info(&self) -> Affinity {
        match self.state.load(Ordering::Acquire) {
            OFF => Affinity::Off,
            ON => Affinity::On,
            _ => Affinity::OnPending,
        }
    }
}
