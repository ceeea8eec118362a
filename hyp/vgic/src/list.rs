//! What a list register says, whatever its encoding; that is each version's own.

/// List registers that are used at most. A GICv3 has no more (IHI 0069, 12.4.2), a GICv2 could have
/// 64 (IHI 0048B, 5.3.2), and a Cortex-A53 and a GIC-400 have four.
pub const LISTS_MAX: usize = 16;

/// State of a listed interrupt, encoded alike in both versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ListState {
    /// Nothing listed, or done.
    Inactive = 0b00,
    /// To be acknowledged.
    Pending = 0b01,
    /// Acknowledged.
    Active = 0b10,
    /// Acknowledged, and raised once more. Not for hardware interrupts.
    PendingAndActive = 0b11,
}

impl ListState {
    pub(crate) const fn from_bits(bits: u8) -> Self {
        match bits & 0b11 {
            0b00 => Self::Inactive,
            0b01 => Self::Pending,
            0b10 => Self::Active,
            _ => Self::PendingAndActive,
        }
    }

    pub(crate) const fn into_bits(self) -> u8 {
        self as u8
    }

    /// The state that is pending, active, both or neither.
    #[must_use]
    pub const fn new(pending: bool, active: bool) -> Self {
        match (pending, active) {
            (false, false) => Self::Inactive,
            (true, false) => Self::Pending,
            (false, true) => Self::Active,
            (true, true) => Self::PendingAndActive,
        }
    }

    /// Whether it has to be acknowledged.
    #[must_use]
    pub const fn is_pending(self) -> bool {
        matches!(self, Self::Pending | Self::PendingAndActive)
    }

    /// Whether it has been acknowledged and not ended.
    #[must_use]
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Active | Self::PendingAndActive)
    }
}

/// An interrupt as it goes into a list register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listing {
    /// What the guest reads when it acknowledges.
    pub(crate) intid: u32,
    /// The vCPU that sent it. Only a GICv2's SGIs have one.
    pub(crate) sender: u8,
    /// Lower is more urgent; the low three bits are zero.
    pub(crate) priority: u8,
    /// In group 1 rather than 0.
    pub(crate) group_1: bool,
    /// State.
    pub(crate) state: ListState,
    /// Linked to the physical interrupt of the same number.
    pub(crate) hardware: bool,
    /// Its end asks for maintenance. Not for those that are linked.
    pub(crate) eoi: bool,
}
