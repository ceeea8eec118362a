//! The small objects: protection domains, memory regions, and what a connection needs.

use unimux_abi::command::Access;
use unimux_abi::work::Segment;

use crate::{DmaBlock, Remote};

/// Retries of a send whose peer has no receive posted: for ever (IBTA 9.7.5.2.8).
pub const RNR_FOREVER: u8 = 7;

/// A protection domain: what says which regions a queue pair may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProtectionDomain {
    pub(crate) handle: u16,
}

impl ProtectionDomain {
    /// The number by which the function knows it.
    #[must_use]
    pub const fn handle(self) -> u16 {
        self.handle
    }
}

/// A registered piece of the guest's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryRegion {
    /// The key for the function's own requests.
    pub lkey: u32,
    /// The key for a peer's requests.
    pub rkey: u32,
    /// The address of its first byte, as requests count.
    pub iova: u64,
    /// Its length in bytes.
    pub len_bytes: u64,
}

impl MemoryRegion {
    /// `len_bytes` bytes from `offset_bytes` on, for the function's own requests.
    ///
    /// Nothing is checked here: the firmware does.
    #[must_use]
    pub const fn segment(&self, offset_bytes: u64, len_bytes: u32) -> Segment {
        Segment {
            address: self.iova.wrapping_add(offset_bytes),
            lkey: self.lkey,
            len_bytes,
        }
    }

    /// The place `offset_bytes` into the region, as a peer's request names it.
    #[must_use]
    pub const fn remote(&self, offset_bytes: u64) -> Remote {
        Remote {
            address: self.iova.wrapping_add(offset_bytes),
            rkey: self.rkey,
        }
    }
}

/// The pages of a region that is scattered in memory.
#[derive(Clone, Copy, Debug)]
pub struct PageList<'a> {
    /// The IPA of every page, in order.
    pub pages: &'a [u64],
    /// The pages' size, as a power of two: 12 to 30.
    pub page_shift: u8,
    /// Where the list can stand while it is registered
    /// ([`bytes_for_page_list`](crate::bytes_for_page_list)); it can be used again afterwards.
    pub block: DmaBlock,
}

/// How a queue pair should be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QpOptions {
    /// Entries of the send queue: a power of two.
    pub send_entries: u32,
    /// Entries of the receive queue: a power of two.
    pub recv_entries: u32,
}

/// Whom a queue pair is connected to, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The function that the peer drives.
    pub function: u32,
    /// The number of its queue pair.
    pub qpn: u32,
    /// What the peer may do to this function's memory.
    pub access: Access,
    /// How often a send is tried again when the peer has no receive posted;
    /// [`RNR_FOREVER`] for ever.
    pub rnr_retries: u8,
}

impl Peer {
    /// The queue pair `qpn` of `function`, allowed everything and waited for.
    #[must_use]
    pub const fn new(function: u32, qpn: u32) -> Self {
        Self {
            function,
            qpn,
            access: Access::all(),
            rnr_retries: RNR_FOREVER,
        }
    }
}
