//! A tenant: what the host has said of one of its virtual machines.
//!
//! The function itself is an ordinary one; this is what only the physical function knows of it.

use unimux_abi::physical::Limits;
use unimux_memory::Pa;

use super::Quota;
use crate::frames::Frames;
use crate::rate::Rates;

/// What becomes of a tenant's function when it is taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// The tenant may attach again.
    Open,
    /// Nobody has it.
    Unused,
}

/// Where a tenant is in its life, as far as the host decides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// There is none.
    Unused,
    /// It has a function and cannot attach yet.
    Closed,
    /// It may attach.
    Open,
    /// Its function is being taken back.
    Leaving(After),
}

/// A tenant, with what the firmware remembers of it.
#[derive(Debug)]
pub(crate) struct Tenant {
    pub(crate) life: Life,
    /// The agent's own name for it.
    pub(crate) cookie: u64,
    /// The page of the host that is its doorbell page.
    pub(crate) doorbell: Pa,
    /// The memory of the host that it may name.
    pub(crate) frames: Frames,
    pub(crate) weight: u16,
    pub(crate) limits: Limits,
    pub(crate) rates: Rates,
    /// How often it has attached.
    pub(crate) attaches: u32,
    /// The most that its function has room for.
    pub(crate) room: Quota,
}

impl Tenant {
    /// No tenant yet, in a place with room for so much.
    pub(crate) fn none(room: Quota, windows: usize) -> Self {
        Self {
            life: Life::Unused,
            cookie: 0,
            doorbell: Pa::default(),
            frames: Frames::with_capacity(windows),
            weight: 1,
            limits: Limits::default(),
            rates: Rates::default(),
            attaches: 0,
            room,
        }
    }

    /// Whether it has any of the `len_bytes` bytes at `pa`.
    pub(crate) fn has_any_of(&self, pa: Pa, len_bytes: u64) -> bool {
        if self.life == Life::Unused {
            return false;
        }
        let page = unimux_abi::doorbell::PAGE_BYTES;
        let above = self.doorbell.offset_from(pa);
        let below = pa.offset_from(self.doorbell);
        above.is_some_and(|offset| offset < len_bytes)
            || below.is_some_and(|offset| offset < page)
            || self.frames.overlaps(pa, len_bytes)
    }
}
