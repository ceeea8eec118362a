//! The guest's exits to EL2 by reason, read from the counter page without an exit.
#![expect(unsafe_code, reason = "the counter page is found by address")]
// UNSAFETY: the page belongs to EL2, which counts in it while it is read: atomics only.

use core::fmt;

use unimux_paravirt::exits::{ExitCounters, ExitReason};

use crate::device_tree::Function;

/// Counts of all vCPUs at one moment, or their difference between two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exits {
    by_reason: [u64; ExitReason::COUNT],
}

/// Reads the counters of the guest that owns `function`.
pub fn snapshot(function: &Function) -> Exits {
    let page = core::ptr::with_exposed_provenance::<ExitCounters>(function.counters);
    // SAFETY: the device tree names the counter page, which stage 1 maps as Normal memory and which
    // stays for the guest's life; `ExitCounters` is only atomics, and only loads are done.
    let counters = unsafe { &*page };
    Exits {
        by_reason: ExitReason::ALL.map(|reason| counters.of_guest(reason)),
    }
}

impl Exits {
    /// What was counted since `earlier`.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            by_reason: core::array::from_fn(|index| {
                self.by_reason[index].wrapping_sub(earlier.by_reason[index])
            }),
        }
    }

    /// Those that instructions of the guest brought about, and no interrupt of the core.
    pub fn by_instructions(self) -> Self {
        Self {
            by_reason: ExitReason::ALL.map(|reason| {
                if reason.is_interrupt() {
                    0
                } else {
                    self.of(reason)
                }
            }),
        }
    }

    /// Exits for `reason`.
    pub fn of(self, reason: ExitReason) -> u64 {
        self.by_reason[reason as usize]
    }

    /// Exits for any reason.
    pub fn total(self) -> u64 {
        self.by_reason.iter().sum()
    }
}

/// The total, and in parentheses every reason that is not zero.
impl fmt::Display for Exits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.total())?;
        let mut separator = " (";
        for reason in ExitReason::ALL {
            if self.of(reason) != 0 {
                write!(f, "{separator}{} {}", reason.name(), self.of(reason))?;
                separator = ", ";
            }
        }
        f.write_str(if separator == ", " { ")" } else { "" })
    }
}
