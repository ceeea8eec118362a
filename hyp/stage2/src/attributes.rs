//! What a guest may do with a range, and how the memory behaves.
//!
//! Only the combinations Unimux uses exist. Write-through, write-only and the gathering device
//! types have no name here, so no policy can ask for them.

/// How the memory behaves: the type that stage 2 adds to the guest's own stage 1.
///
/// The stronger of the two stages wins (DDI 0487 D8.6.6, without FEAT_S2FWB), so a guest can make
/// `NormalWriteBack` less cacheable but never make a device cacheable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Memory {
    /// Normal memory, inner and outer write-back, inner shareable: RAM.
    NormalWriteBack,
    /// Normal memory, not cached at any level.
    NormalNonCacheable,
    /// Device memory without gathering or reordering, early write acknowledgement allowed: the
    /// doorbell page. A store is posted, which is what makes ringing cheap.
    DeviceNgnre,
}

/// Which data accesses are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Loads only; a store is a permission fault.
    ReadOnly,
    /// Loads and stores.
    ReadWrite,
}

/// Everything about a mapping but its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Attributes {
    /// How the memory behaves.
    pub memory: Memory,
    /// Which data accesses are allowed.
    pub access: Access,
    /// Whether instructions may be fetched, at EL1 and EL0 alike.
    pub execute: bool,
}

impl Attributes {
    /// RAM of a guest: write-back, writable, executable. The guest's stage 1 decides the rest.
    pub const RAM: Self = Self {
        memory: Memory::NormalWriteBack,
        access: Access::ReadWrite,
        execute: true,
    };
    /// A page the guest only reads, such as its exit counters: write-back, never executable.
    pub const READ_ONLY_PAGE: Self = Self {
        memory: Memory::NormalWriteBack,
        access: Access::ReadOnly,
        execute: false,
    };
    /// Registers of a device that a guest has for itself: writable, never executable.
    pub const DEVICE: Self = Self {
        memory: Memory::DeviceNgnre,
        access: Access::ReadWrite,
        execute: false,
    };
    /// A doorbell page, which behaves as a device's registers.
    pub const DOORBELL: Self = Self::DEVICE;
}
