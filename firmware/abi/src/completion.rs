//! Completions: how a work request ended.
//!
//! A completion queue is a ring of 32-byte entries and a 64-byte consumer record, both in guest
//! memory:
//!
//! ```text
//!  entry    word 0  head: phase, status, opcode, flags, queue pair handle
//!           word 1  work request id
//!           word 2  bytes moved (low half), immediate data (high half)
//!           word 3  detail of an error (low half), zero (high half)
//!
//!  record   word 0  consumed: how many entries the guest has taken, modulo 2^32
//!           word 1  armed: see `Arm`
//! ```
//!
//! The firmware fills an entry only while fewer entries than the ring holds are unconsumed by the
//! guest's own count. A ring that has no room when a completion is due has *overrun*: the queue
//! and the queue pairs on it go to the error state (IBTA 11.6.3.1), and an event says so.

use bitfield_struct::bitfield;

/// Size and alignment of an entry in bytes.
pub const BYTES: u64 = 32;
/// Words of an entry.
pub const WORDS: usize = 4;
/// Size and alignment of the consumer record in bytes: one cache line, written by the guest.
pub const RECORD_BYTES: u64 = 64;
/// Offset in the consumer record of the number of entries taken.
pub const RECORD_CONSUMED: u64 = 0;
/// Offset in the consumer record of the [`Arm`] word.
pub const RECORD_ARM: u64 = 8;

/// How a work request ended (IBTA 11.6.2 names, as in `ibv_wc_status`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// It was carried out.
    Success = 0,
    /// A receive was too small for what arrived, or lengths do not add up.
    LocalLength = 1,
    /// The entry itself makes no sense: opcode, flags or segments.
    LocalQpOperation = 2,
    /// A segment names memory that the queue pair may not use.
    LocalProtection = 4,
    /// The queue pair is in the error state: the request was never started.
    Flushed = 5,
    /// The peer cannot carry out such a request.
    RemoteInvalidRequest = 9,
    /// The remote key, address or rights do not allow it.
    RemoteAccess = 10,
    /// The peer failed while carrying it out.
    RemoteOperation = 11,
    /// The peer is not there, or not connected to this queue pair.
    RetryExceeded = 12,
    /// The peer had no receive posted, for as long as was asked.
    ReceiverNotReadyRetryExceeded = 13,
    /// The engine failed to move the bytes.
    Fatal = 20,
}

impl Status {
    /// The status with this number, if there is one.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0 => Self::Success,
            1 => Self::LocalLength,
            2 => Self::LocalQpOperation,
            4 => Self::LocalProtection,
            5 => Self::Flushed,
            9 => Self::RemoteInvalidRequest,
            10 => Self::RemoteAccess,
            11 => Self::RemoteOperation,
            12 => Self::RetryExceeded,
            13 => Self::ReceiverNotReadyRetryExceeded,
            20 => Self::Fatal,
            _ => return None,
        })
    }
}

/// What exactly was wrong: where to look first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Detail {
    /// Nothing more to say.
    None = 0,
    /// The opcode is unknown, or does not belong in this queue.
    Opcode = 1,
    /// An unknown flag, or one that does not go with the opcode.
    Flags = 2,
    /// More segments than an entry has, or a number that the opcode does not take.
    Segments = 3,
    /// More inline data than an entry has.
    InlineLength = 4,
    /// More bytes than one request may move.
    Length = 5,
    /// No memory region of the function has this key.
    Key = 6,
    /// The memory region belongs to another protection domain.
    ProtectionDomain = 7,
    /// The range is not inside the memory region.
    Bounds = 8,
    /// The memory region or the queue pair does not grant this access.
    Access = 9,
    /// An atomic's address is not a multiple of eight.
    Alignment = 10,
    /// The peer is gone, or its queue pair is not connected back to this one.
    NotConnected = 11,
    /// The peer's receive was too small.
    ReceiveLength = 12,
    /// The peer's receive names memory that it may not use.
    ReceiveProtection = 13,
    /// The peer's receive entry makes no sense.
    ReceiveEntry = 14,
    /// The peer's completion queue overran.
    ReceiveOverrun = 15,
    /// The engine reported an error.
    Engine = 16,
    /// The word of an atomic was contended for too long.
    Contended = 17,
}

impl Detail {
    /// The detail with this number, if there is one.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Option<Self> {
        Some(match bits {
            0 => Self::None,
            1 => Self::Opcode,
            2 => Self::Flags,
            3 => Self::Segments,
            4 => Self::InlineLength,
            5 => Self::Length,
            6 => Self::Key,
            7 => Self::ProtectionDomain,
            8 => Self::Bounds,
            9 => Self::Access,
            10 => Self::Alignment,
            11 => Self::NotConnected,
            12 => Self::ReceiveLength,
            13 => Self::ReceiveProtection,
            14 => Self::ReceiveEntry,
            15 => Self::ReceiveOverrun,
            16 => Self::Engine,
            17 => Self::Contended,
            _ => return None,
        })
    }
}

/// The first word of a completion.
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct Head {
    /// Whose turn it is: equals the lap's phase when the entry is filled.
    pub phase: bool,
    #[bits(7)]
    __: u8,
    /// A [`Status`].
    pub status: u8,
    /// The [`Opcode`](crate::work::Opcode) of the entry that ended; `Receive` for a receive.
    pub opcode: u8,
    /// Whether the immediate data means something.
    pub has_immediate: bool,
    #[bits(7)]
    __: u8,
    /// Handle of the queue pair.
    pub qp: u32,
}

/// A whole completion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry(pub [u64; WORDS]);

impl Entry {
    /// The head.
    #[must_use]
    pub const fn head(&self) -> Head {
        Head::from_bits(self.0[0])
    }

    /// The work request id.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.0[1]
    }

    /// How many bytes were moved (of a receive: how many arrived).
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the length is the low half"
    )]
    pub const fn len_bytes(&self) -> u32 {
        self.0[2] as u32
    }

    /// The immediate data, if the head says that there is any.
    #[must_use]
    pub const fn immediate(&self) -> u32 {
        (self.0[2] >> 32) as u32
    }

    /// The number of a [`Detail`].
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the detail is the low half"
    )]
    pub const fn detail(&self) -> u32 {
        self.0[3] as u32
    }
}

/// Whether a completion should raise an interrupt: the arm word of the consumer record.
///
/// The guest arms by storing `count` = how many entries it has taken and a kind other than
/// [`ArmKind::No`], then looks at the ring once more. The firmware raises one interrupt for one
/// arm word: the same word again means nothing new. For an entry that the guest had taken before
/// it armed there is none.
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct Arm {
    /// How many entries the guest had taken when it armed, modulo 2^32.
    pub count: u32,
    /// An [`ArmKind`].
    pub kind: u8,
    #[bits(24)]
    __: u32,
}

/// What an armed completion queue waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ArmKind {
    /// Nothing: the guest polls.
    No = 0,
    /// The next completion.
    Next = 1,
    /// The next completion of a solicited send, or with an error.
    Solicited = 2,
}

impl ArmKind {
    /// The kind with this number; unknown numbers are [`ArmKind::No`].
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        match bits {
            1 => Self::Next,
            2 => Self::Solicited,
            _ => Self::No,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_is_laid_out_as_documented() {
        let head = Head::new()
            .with_phase(true)
            .with_status(Status::RemoteAccess as u8)
            .with_opcode(2)
            .with_has_immediate(true)
            .with_qp(0x1234_5678);
        assert_eq!(head.into_bits(), 0x1234_5678_0102_0a01);
    }

    #[test]
    fn numbers_name_at_most_one_status_or_detail() {
        for bits in 0..=u8::MAX {
            if let Some(status) = Status::from_bits(bits) {
                assert_eq!(status as u8, bits);
            }
            if let Some(detail) = Detail::from_bits(u32::from(bits)) {
                assert_eq!(detail as u32, u32::from(bits));
            }
        }
    }

    #[test]
    fn an_unknown_arm_kind_asks_for_nothing() {
        assert_eq!(ArmKind::from_bits(9), ArmKind::No);
        assert_eq!(
            Arm::new().with_count(5).with_kind(1).into_bits(),
            0x1_0000_0005
        );
    }
}
