//! The control page: 4 KiB of guest memory for attaching, commands and their answers.
//!
//! ```text
//!  0x000 header: what the guest offers (written by the guest before attaching)
//!  0x040 answer: what the firmware is (written by the firmware when attached)
//!  0x080 consumer: how many responses the guest has taken, and whether it sleeps until events come
//!  0x100 counters of the function (written by the firmware on QUERY_COUNTERS)
//!  0x400 32 commands of 64 bytes
//!  0xc00 32 responses of 32 bytes
//! ```
//!
//! To attach, the guest zeroes the page, writes [`Offer`] and stores the page's IPA to the
//! doorbell page's control word, then rings. The firmware answers in [`Answer`]. A page that the
//! guest may not name cannot be answered: nothing happens. Neither does with a page that says
//! [`Attach::Attached`] already: it has not been zeroed since, and may hold old commands.

use bitfield_struct::bitfield;

/// Size and alignment of the page in bytes.
pub const PAGE_BYTES: u64 = 4096;
/// Offset of the [`Offer`] word.
pub const OFFER: u64 = 0x000;
/// Offset of the [`Answer`]: four words.
pub const ANSWER: u64 = 0x040;
/// Offset of the word with the number of responses that the guest has taken, modulo 2^32.
pub const RESPONSE_CONSUMER: u64 = 0x080;
/// Offset of the [`Arm`](crate::completion::Arm) word for events: as that of a completion queue, of
/// which an event is the next completion. Since version 1.1.
pub const EVENT_ARM: u64 = 0x088;
/// Offset of the counters (see [`counters`](crate::counters)).
pub const COUNTERS: u64 = 0x100;
/// Offset of the command ring.
pub const COMMANDS: u64 = 0x400;
/// Offset of the response ring.
pub const RESPONSES: u64 = 0xc00;
/// Entries of the command ring, and of the response ring.
pub const RING_ENTRIES: u32 = 32;

const _: () = {
    use crate::{command, response};
    let entries = RING_ENTRIES as u64;
    assert!(COUNTERS + crate::counters::BYTES <= COMMANDS);
    assert!(COMMANDS + entries * command::BYTES == RESPONSES);
    assert!(RESPONSES + entries * response::BYTES == PAGE_BYTES);
};

/// Says that the page is meant as a control page: "UMUX" in ASCII.
pub const MAGIC: u32 = u32::from_le_bytes(*b"UMUX");

/// What the guest offers: the word at [`OFFER`].
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct Offer {
    /// [`MAGIC`].
    pub magic: u32,
    /// The [`VERSION`](crate::VERSION) that the driver was built with.
    pub version: u32,
}

/// How an attach went: the low 32 bits of the answer's first word. Zero: not answered yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Attach {
    /// The function is attached and serves commands.
    Attached = 1,
    /// The offer has no [`MAGIC`].
    NotAnOffer = 2,
    /// The driver's major version is not the firmware's.
    WrongVersion = 3,
}

impl Attach {
    /// The outcome with this number, if there is one.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Option<Self> {
        match bits {
            1 => Some(Self::Attached),
            2 => Some(Self::NotAnOffer),
            3 => Some(Self::WrongVersion),
            _ => None,
        }
    }
}

/// What the firmware says of itself and the function when a guest attaches.
///
/// Four words at [`ANSWER`]; the first is stored last, with release order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// How the attach went.
    pub attach: Attach,
    /// The firmware's [`VERSION`](crate::VERSION).
    pub version: u32,
    /// The function's own identity: what peers name in messages and connections.
    pub function: u32,
    /// Protection domains the function may have.
    pub max_pds: u16,
    /// Completion queues it may have.
    pub max_cqs: u16,
    /// Queue pairs it may have.
    pub max_qps: u16,
    /// Memory regions it may have.
    pub max_mrs: u16,
    /// Page entries that all its page lists together may have.
    pub max_pages: u32,
}

impl Answer {
    /// The words as they stand in memory.
    #[must_use]
    pub const fn to_words(self) -> [u64; 4] {
        [
            self.attach as u64 | (self.version as u64) << 32,
            self.function as u64 | (self.max_pages as u64) << 32,
            self.max_pds as u64
                | (self.max_cqs as u64) << 16
                | (self.max_qps as u64) << 32
                | (self.max_mrs as u64) << 48,
            0,
        ]
    }

    /// The answer in `words`, or `None` if there is none yet or its outcome is unknown.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "fields are cut out of words"
    )]
    pub const fn from_words(words: [u64; 4]) -> Option<Self> {
        let Some(attach) = Attach::from_bits(words[0] as u32) else {
            return None;
        };
        Some(Self {
            attach,
            version: (words[0] >> 32) as u32,
            function: words[1] as u32,
            max_pages: (words[1] >> 32) as u32,
            max_pds: words[2] as u16,
            max_cqs: (words[2] >> 16) as u16,
            max_qps: (words[2] >> 32) as u16,
            max_mrs: (words[2] >> 48) as u16,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_survives_its_words() {
        let answer = Answer {
            attach: Attach::Attached,
            version: crate::VERSION,
            function: 7,
            max_pds: 1,
            max_cqs: 2,
            max_qps: 3,
            max_mrs: 0xffff,
            max_pages: u32::MAX,
        };
        assert_eq!(Answer::from_words(answer.to_words()), Some(answer));
        assert_eq!(Answer::from_words([0; 4]), None);
    }
}
