//! Commands: the control verbs, as a guest writes them into its command ring.
//!
//! A command is 64 bytes: a head and seven words. Handles are small numbers that mean something
//! to one function only; the two keys of a memory region and the number of a queue pair are
//! random (see [`response`](crate::response) for what comes back).

use bitfield_struct::bitfield;
use bitflags::bitflags;

/// Size and alignment of a command in bytes.
pub const BYTES: u64 = 64;
/// Words of a command.
pub const WORDS: usize = 8;

/// The first word of a command.
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct Head {
    /// Whose turn it is: equals the lap's phase when the command is filled.
    pub phase: bool,
    #[bits(7)]
    __: u8,
    /// An [`Opcode`].
    pub opcode: u8,
    /// Chosen by the guest, given back in the response.
    pub tag: u16,
    __: u32,
}

/// What a command asks for. Arguments are words 1 to 7, in the order given here; words not named
/// must be zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// Nothing; answers success.
    Nop = 0,
    /// Writes the function's counters to its control page.
    QueryCounters = 1,
    /// A new protection domain. Result: its handle.
    AllocPd = 2,
    /// Ends a protection domain that nothing uses. Arguments: handle.
    DeallocPd = 3,
    /// A new memory region. Arguments: pd handle | [`Access`] << 32, iova, length in bytes,
    /// IPA, page shift. With page shift 0 the region is the IPA range itself; otherwise the IPA
    /// is that of a list of 64-bit page IPAs, pages of `1 << shift` bytes, and the region begins
    /// `iova % page` into the first. Result: lkey | rkey << 32.
    RegisterMr = 4,
    /// Ends a memory region: no access begins any more when this is answered, and none is in
    /// flight. Arguments: lkey.
    DeregisterMr = 5,
    /// A new completion queue. Arguments: log2 of its entries | [`CqFlags`] << 32, IPA of the
    /// ring (aligned to 64), IPA of the consumer record (aligned to 64). Result: its handle.
    CreateCq = 6,
    /// Ends a completion queue that no queue pair uses. Arguments: handle.
    DestroyCq = 7,
    /// A new queue pair, in the reset state. Arguments: pd | send cq << 16 | receive cq << 32 |
    /// log2 of send entries << 48 | log2 of receive entries << 56, IPA of the send queue, IPA of
    /// the receive queue (both aligned to 64). Result: handle | number << 32.
    CreateQp = 8,
    /// Moves a queue pair to another [`QpState`]. Arguments: handle | state << 32 |
    /// [`Access`] << 40 | rnr retries << 48, peer function | peer queue pair number << 32. Each
    /// counts in one step: access with [`QpState::Init`], the peer with
    /// [`QpState::ReadyToReceive`] (zero elsewhere), retries with [`QpState::ReadyToSend`]. Seven
    /// retries mean for ever (IBTA 9.7.5.2.8).
    ModifyQp = 9,
    /// Ends a queue pair: nothing of it is in flight when this is answered. Arguments: handle.
    DestroyQp = 10,
    /// Asks after a queue pair. Arguments: handle. Result: its [`QpState`].
    QueryQp = 11,
    /// Sends 24 bytes to another function, which finds them as an event. Arguments: function, and
    /// three words of data. This is how two drivers tell each other queue pair numbers and keys.
    Message = 12,

    // The verbs of the physical function; any other function gets `NotSupported`.
    /// A new function for a tenant, closed and without windows. Arguments: PA of its doorbell
    /// page, partition | weight << 16, [`Objects`](crate::physical::Objects), page entries, a
    /// cookie of the agent's. Result: its number.
    CreateFunction = 64,
    /// Lets a tenant name memory. Arguments: function, IPA, PA, length in bytes (all multiples of
    /// 4 KiB).
    GrantWindow = 65,
    /// The same for pages. Arguments: function, IPA of the first one, PA of a list of 64-bit page
    /// PAs, how many | page shift << 32 (12 or 21). All or nothing before the function is opened;
    /// afterwards, when it is refused, the pages before the one that is to blame stay granted.
    GrantPages = 66,
    /// Lets the tenant attach, from a doorbell page that is cleared. Arguments: function.
    OpenFunction = 67,
    /// Takes a function back, and opens it again with the same windows: nothing of the tenant's
    /// is in flight when this is answered. Arguments: function.
    ResetFunction = 68,
    /// Ends a function: when this is answered its memory is touched no more. Arguments: function.
    DestroyFunction = 69,
    /// Sets a function's share and its [`Limits`](crate::physical::Limits). Arguments: function,
    /// weight, bytes per second, requests per second.
    SetLimits = 70,
    /// Asks after a function. Arguments: function, PA of
    /// [`QUERY_BYTES`](crate::physical::QUERY_BYTES) bytes, aligned to 64.
    QueryFunction = 71,
    /// Asks after all functions of tenants. Arguments: PA for
    /// [`Record`](crate::physical::Record)s, aligned to 64, and for how many there is room.
    /// Result: how many there are; no more than there is room for are written.
    ListFunctions = 72,
}

impl Opcode {
    /// The command with this number, if there is one.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0 => Self::Nop,
            1 => Self::QueryCounters,
            2 => Self::AllocPd,
            3 => Self::DeallocPd,
            4 => Self::RegisterMr,
            5 => Self::DeregisterMr,
            6 => Self::CreateCq,
            7 => Self::DestroyCq,
            8 => Self::CreateQp,
            9 => Self::ModifyQp,
            10 => Self::DestroyQp,
            11 => Self::QueryQp,
            12 => Self::Message,
            64 => Self::CreateFunction,
            65 => Self::GrantWindow,
            66 => Self::GrantPages,
            67 => Self::OpenFunction,
            68 => Self::ResetFunction,
            69 => Self::DestroyFunction,
            70 => Self::SetLimits,
            71 => Self::QueryFunction,
            72 => Self::ListFunctions,
            _ => return None,
        })
    }
}

bitflags! {
    /// Rights of a memory region, and of what a queue pair lets its peer do.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Access: u8 {
        /// The function's own requests may write here (receives, reads, atomics' old values).
        const LOCAL_WRITE = 1 << 0;
        /// The peer may write. Needs `LOCAL_WRITE` (IBTA 10.6.3.1).
        const REMOTE_WRITE = 1 << 1;
        /// The peer may read.
        const REMOTE_READ = 1 << 2;
        /// The peer may do atomics. Needs `LOCAL_WRITE`.
        const REMOTE_ATOMIC = 1 << 3;
    }
}

bitflags! {
    /// How a completion queue wants to be treated.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct CqFlags: u32 {
        /// The guest will arm it; without this flag the arm word is never read.
        const INTERRUPTS = 1 << 0;
    }
}

/// States of a queue pair (IBTA 10.3.1; SQD and SQE are not offered).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum QpState {
    /// Just made: entries are not looked at.
    Reset = 0,
    /// Receives may be posted.
    Init = 1,
    /// Connected: the peer's requests are carried out.
    ReadyToReceive = 2,
    /// Its own requests are carried out as well.
    ReadyToSend = 3,
    /// Everything posted is flushed.
    Error = 6,
}

impl QpState {
    /// The state with this number, if there is one.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0 => Self::Reset,
            1 => Self::Init,
            2 => Self::ReadyToReceive,
            3 => Self::ReadyToSend,
            6 => Self::Error,
            _ => return None,
        })
    }
}

/// A whole command, as copied out of a ring or about to be copied in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry(pub [u64; WORDS]);

impl Entry {
    /// The head.
    #[must_use]
    pub const fn head(&self) -> Head {
        Head::from_bits(self.0[0])
    }

    /// The arguments: words 1 to 7.
    #[must_use]
    pub const fn arguments(&self) -> [u64; 7] {
        let [_, a, b, c, d, e, f, g] = self.0;
        [a, b, c, d, e, f, g]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_is_laid_out_as_documented() {
        let head = Head::new().with_phase(true).with_opcode(9).with_tag(0xabcd);
        assert_eq!(head.into_bits(), 0xabcd_0901);
    }

    #[test]
    fn numbers_name_at_most_one_thing() {
        for bits in 0..=u8::MAX {
            if let Some(opcode) = Opcode::from_bits(bits) {
                assert_eq!(opcode as u8, bits);
            }
            if let Some(state) = QpState::from_bits(bits) {
                assert_eq!(state as u8, bits);
            }
        }
    }
}
