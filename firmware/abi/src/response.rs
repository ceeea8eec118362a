//! Responses: answers to commands, and events that nobody asked for.
//!
//! ```text
//!  word 0  head: phase, kind, code, tag or source
//!  word 1  result of a command │ first word of an event
//!  word 2  zero                │ second word of an event
//!  word 3  zero                │ third word of an event
//! ```
//!
//! The firmware takes a command only while there is room for its response. Events may find no
//! room: they are lost, and counted.

use bitfield_struct::bitfield;

/// Size and alignment of a response in bytes.
pub const BYTES: u64 = 32;
/// Words of a response.
pub const WORDS: usize = 4;

/// The first word of a response.
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct Head {
    /// Whose turn it is: equals the lap's phase when the response is filled.
    pub phase: bool,
    #[bits(7)]
    __: u8,
    /// Zero for the answer to a command; one for an event.
    pub kind: u8,
    /// A [`Status`], or an [`Event`].
    pub code: u16,
    /// The tag of the command.
    pub tag: u16,
    /// Of a message: the function that sent it.
    pub source: u16,
}

/// The head's kind of an answer.
pub const KIND_ANSWER: u8 = 0;
/// The head's kind of an event.
pub const KIND_EVENT: u8 = 1;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Status {
    /// Done; the result holds what was made.
    Success = 0,
    /// The command, or an option of it, is unknown.
    NotSupported = 1,
    /// An argument is out of its range, or a word that must be zero is not.
    InvalidArgument = 2,
    /// No such handle or key.
    NotFound = 3,
    /// The function's quota is used up.
    QuotaExceeded = 4,
    /// Something else still uses it.
    InUse = 5,
    /// The address range is not the guest's.
    OutOfReach = 6,
    /// The queue pair cannot go from its state to that one.
    WrongState = 7,
    /// The other function does not exist, or is not in this function's partition.
    NoSuchPeer = 8,
    /// The other function has no room for a message now; try again.
    PeerBusy = 9,
}

impl Status {
    /// The status with this number, if there is one.
    #[must_use]
    pub const fn from_bits(bits: u16) -> Option<Self> {
        Some(match bits {
            0 => Self::Success,
            1 => Self::NotSupported,
            2 => Self::InvalidArgument,
            3 => Self::NotFound,
            4 => Self::QuotaExceeded,
            5 => Self::InUse,
            6 => Self::OutOfReach,
            7 => Self::WrongState,
            8 => Self::NoSuchPeer,
            9 => Self::PeerBusy,
            _ => return None,
        })
    }
}

/// What happened to the function (IBTA 11.6.3), or reached it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Event {
    /// Another function sent three words; the head's source says which.
    Message = 1,
    /// A queue pair went to the error state. Words: handle, completion status, detail.
    QpFatal = 2,
    /// A completion queue overran. Words: handle.
    CqOverrun = 3,
    /// A ring of the function holds what cannot be: the function is stopped. Words: reason.
    FunctionFatal = 4,
    /// To the physical function: a tenant's function was stopped. Words: function,
    /// [`StopReason`](crate::physical::StopReason), cookie.
    TenantStopped = 64,
    /// To the physical function: tenants sleep until completions or events come, and some have
    /// come. Words: a bit for each function.
    TenantCompletions = 65,
}

impl Event {
    /// The event with this number, if there is one.
    #[must_use]
    pub const fn from_bits(bits: u16) -> Option<Self> {
        Some(match bits {
            1 => Self::Message,
            2 => Self::QpFatal,
            3 => Self::CqOverrun,
            4 => Self::FunctionFatal,
            64 => Self::TenantStopped,
            65 => Self::TenantCompletions,
            _ => return None,
        })
    }
}

/// A whole response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry(pub [u64; WORDS]);

impl Entry {
    /// The head.
    #[must_use]
    pub const fn head(&self) -> Head {
        Head::from_bits(self.0[0])
    }

    /// The three words after the head.
    #[must_use]
    pub const fn words(&self) -> [u64; 3] {
        [self.0[1], self.0[2], self.0[3]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_is_laid_out_as_documented() {
        let head = Head::new()
            .with_phase(true)
            .with_kind(KIND_EVENT)
            .with_code(Event::Message as u16)
            .with_tag(0xabcd)
            .with_source(3);
        assert_eq!(head.into_bits(), 0x0003_abcd_0001_0101);
    }

    #[test]
    fn numbers_name_at_most_one_thing() {
        for bits in 0..=u16::from(u8::MAX) {
            if let Some(status) = Status::from_bits(bits) {
                assert_eq!(status as u16, bits);
            }
            if let Some(event) = Event::from_bits(bits) {
                assert_eq!(event as u16, bits);
            }
        }
    }
}
