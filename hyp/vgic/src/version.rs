//! What GICv2 and GICv3 do differently behind their registers.
//!
//! The registers themselves are not here: each version has methods of its own for them.

use core::fmt::Debug;

use crate::bank::Bank;
use crate::intid::Intid;
use crate::list::{ListState, Listing};

/// Keeps other crates from adding versions.
pub trait Sealed {
    /// Where a guest has routed a shared interrupt.
    type Route: Copy + Debug;
    /// What a vCPU has beside its private interrupts and its list registers.
    type Own: Clone + Debug;

    /// Groups of 32 interrupts after reset: a bit is set for group 1.
    const GROUPS: u32;
    /// Private interrupts that are enabled from the beginning.
    const ENABLED: u32;

    /// The vCPU that a route leads to; too large a number is nobody's.
    fn target(route: Self::Route) -> Option<usize>;

    /// A route after reset, for a guest of `vcpus` vCPUs.
    fn route_at_reset(vcpus: usize) -> Self::Route;

    /// What vCPU `vcpu` of `vcpus` has after reset.
    fn own_at_reset(vcpu: usize, vcpus: usize) -> Self::Own;

    /// Puts an interrupt into a list register: [`Bank::list`]. `own` is of the vCPU that gets it.
    fn list(own: &mut Self::Own, bank: &mut Bank, intid: Intid, groups: u8, eager: bool)
    -> Listing;

    /// Takes an interrupt back out: [`Bank::unlist`].
    fn unlist(own: &mut Self::Own, bank: &mut Bank, intid: Intid, state: ListState);

    /// The value of a list register.
    fn encode(listing: Listing) -> u64;

    /// The state in a list register.
    fn state(list: u64) -> ListState;
}

/// A version of the architecture: [`V2`](crate::V2) or [`V3`](crate::V3).
pub trait Version: Sealed {}
