//! Work queue entries: what a guest asks of the engine.
//!
//! An entry is 64 bytes, in send and receive queues alike:
//!
//! ```text
//!  word 0  head: phase, opcode, flags, number of segments, immediate data
//!  word 1  work request id, given back in the completion
//!  word 2  remote address
//!  word 3  rkey (low half), length of inline data (high half)
//!  word 4  segment 0: address                 │ inline: 32 bytes of data
//!  word 5  segment 0: lkey, length            │ atomics: segment 0 takes the
//!  word 6  segment 1: address                 │ old value, word 6 is the swap
//!  word 7  segment 1: lkey, length            │ or add operand, word 7 compare
//! ```

use bitfield_struct::bitfield;
use bitflags::bitflags;

/// Size and alignment of an entry in bytes.
pub const BYTES: u64 = 64;
/// Words of an entry.
pub const WORDS: usize = 8;
/// Segments that one entry can list.
pub const MAX_SEGMENTS: usize = 2;
/// Bytes of data that an entry can carry itself.
pub const MAX_INLINE_BYTES: u32 = 32;

/// Operations of a send queue (IBTA 10.8.2), and the one of a receive queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// Send to the peer's next receive.
    Send = 0,
    /// Send, with 32 bits of immediate data.
    SendImm = 1,
    /// Write into the peer's memory.
    Write = 2,
    /// Write, and complete a receive of the peer with 32 bits of immediate data.
    WriteImm = 3,
    /// Read from the peer's memory.
    Read = 4,
    /// 64-bit compare and swap in the peer's memory.
    CompareSwap = 5,
    /// 64-bit fetch and add in the peer's memory.
    FetchAdd = 6,
    /// A buffer for the peer's next send; in receive queues only.
    Receive = 7,
}

impl Opcode {
    /// The operation with this number, if there is one.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0 => Self::Send,
            1 => Self::SendImm,
            2 => Self::Write,
            3 => Self::WriteImm,
            4 => Self::Read,
            5 => Self::CompareSwap,
            6 => Self::FetchAdd,
            7 => Self::Receive,
            _ => return None,
        })
    }

    /// Whether the operation consumes a receive of the peer.
    #[must_use]
    pub const fn consumes_receive(self) -> bool {
        matches!(self, Self::Send | Self::SendImm | Self::WriteImm)
    }

    /// Whether the operation carries immediate data.
    #[must_use]
    pub const fn has_immediate(self) -> bool {
        matches!(self, Self::SendImm | Self::WriteImm)
    }

    /// Whether the operation is a 64-bit atomic.
    #[must_use]
    pub const fn is_atomic(self) -> bool {
        matches!(self, Self::CompareSwap | Self::FetchAdd)
    }
}

bitflags! {
    /// How an entry wants to be treated.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Flags: u8 {
        /// Write a completion when done; without it only an error writes one.
        const SIGNALED = 1 << 0;
        /// The data stands in the entry itself. For SEND and WRITE forms only.
        const INLINE = 1 << 1;
        /// Wake the receiver if it armed its queue for solicited completions only.
        const SOLICITED = 1 << 2;
    }
}

/// The first word of an entry.
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct Head {
    /// Whose turn it is: equals the lap's phase when the entry is filled.
    pub phase: bool,
    #[bits(7)]
    __: u8,
    /// An [`Opcode`].
    pub opcode: u8,
    /// [`Flags`].
    pub flags: u8,
    /// How many segments are listed.
    pub segments: u8,
    /// Immediate data, as the peer will see it.
    pub immediate: u32,
}

/// A piece of local memory: 16 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    /// Where it begins, as the memory region counts addresses.
    pub address: u64,
    /// The local key of the memory region.
    pub lkey: u32,
    /// Its length in bytes.
    pub len_bytes: u32,
}

impl Segment {
    /// The words as they stand in an entry.
    #[must_use]
    pub const fn to_words(self) -> [u64; 2] {
        [
            self.address,
            self.lkey as u64 | (self.len_bytes as u64) << 32,
        ]
    }

    /// The segment in `words`.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "fields are cut out of a word"
    )]
    pub const fn from_words(words: [u64; 2]) -> Self {
        Self {
            address: words[0],
            lkey: words[1] as u32,
            len_bytes: (words[1] >> 32) as u32,
        }
    }
}

/// A whole entry, as copied out of a queue or about to be copied in.
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

    /// The remote address.
    #[must_use]
    pub const fn remote_address(&self) -> u64 {
        self.0[2]
    }

    /// The remote key.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the key is the low half")]
    pub const fn rkey(&self) -> u32 {
        self.0[3] as u32
    }

    /// The length of the inline data in bytes, as the guest states it.
    #[must_use]
    pub const fn inline_len_bytes(&self) -> u32 {
        (self.0[3] >> 32) as u32
    }

    /// Segment `index`, which must be below [`MAX_SEGMENTS`].
    #[must_use]
    pub const fn segment(&self, index: usize) -> Segment {
        Segment::from_words([self.0[4 + 2 * index], self.0[5 + 2 * index]])
    }

    /// The data words of an inline entry.
    #[must_use]
    pub const fn inline_words(&self) -> [u64; 4] {
        [self.0[4], self.0[5], self.0[6], self.0[7]]
    }

    /// What an atomic swaps in, or adds.
    #[must_use]
    pub const fn operand(&self) -> u64 {
        self.0[6]
    }

    /// What a compare-and-swap compares with.
    #[must_use]
    pub const fn compare(&self) -> u64 {
        self.0[7]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_is_laid_out_as_documented() {
        let head = Head::new()
            .with_phase(true)
            .with_opcode(Opcode::WriteImm as u8)
            .with_flags(Flags::SIGNALED.bits())
            .with_segments(2)
            .with_immediate(0xdead_beef);
        assert_eq!(head.into_bits(), 0xdead_beef_0201_0301);
    }

    #[test]
    fn every_opcode_survives_its_number() {
        for bits in 0..=u8::MAX {
            if let Some(opcode) = Opcode::from_bits(bits) {
                assert_eq!(opcode as u8, bits);
            }
        }
        assert_eq!(Opcode::from_bits(8), None);
    }

    #[test]
    fn segments_stand_where_the_picture_says() {
        let mut entry = Entry([0, 1, 2, 3, 4, 5, 6, 7]);
        entry.0[7] = 0x0000_0010_0000_00aa;
        assert_eq!(
            entry.segment(1),
            Segment {
                address: 6,
                lkey: 0xaa,
                len_bytes: 16
            }
        );
        assert_eq!(entry.segment(1).to_words(), [6, entry.0[7]]);
        assert_eq!(entry.rkey(), 3);
    }
}
