//! The physical function: what the host of virtual machines has of the firmware.
//!
//! It is a function like any other (a doorbell page, a control page, a command ring) that moves no
//! data and has verbs of its own: it makes functions for the host's virtual machines, its
//! *tenants*, says which memory they may name, and takes them back.
//!
//! ```text
//!  0x0_0000 doorbell page (see doorbell)        the region, 256 KiB of reserved memory:
//!  0x0_1000 control page  (see control)         the host's device tree names it, and the host
//!  0x0_2000 control page of the next agent      maps it as device memory: every access is an
//!  0x0_3000 reserved                            aligned load or store of 64 bits
//!  0x1_0000 page lists  (written by the host)
//!  0x2_0000 tables      (written by the firmware)
//!  0x4_0000
//! ```
//!
//! All addresses in these commands are physical; those of lists and tables must lie in the region.
//!
//! **Who is believed.** The host is believed about its own tenants' memory and about nothing else:
//! what is granted must be the host's RAM, and no other function may have it already.
//!
//! **Its agent may die at any point.** Another one attaches anew, at the control page that the
//! doorbell page's control word does *not* name: what the last one had begun is carried out, but
//! not answered. [`ListFunctions`](crate::command::Opcode::ListFunctions) tells what there is.

use bitfield_struct::bitfield;

use crate::{control, counters, doorbell};

/// The `compatible` of the region's node under `/reserved-memory` in the host's device tree.
pub const COMPATIBLE: &str = "unimux,physical-function";

/// Size and alignment of the region in bytes.
pub const REGION_BYTES: u64 = 0x4_0000;
/// Offset of the doorbell page.
pub const DOORBELL: u64 = 0;
/// Offsets of the two control pages: one is in use, the other is for the next agent.
pub const CONTROL_PAGES: [u64; 2] = [0x1000, 0x2000];
/// Offset of the room for page lists.
pub const LISTS: u64 = 0x1_0000;
/// Bytes of the room for page lists.
pub const LISTS_BYTES: u64 = 0x1_0000;
/// Offset of the room for tables.
pub const TABLES: u64 = 0x2_0000;
/// Bytes of the room for tables.
pub const TABLES_BYTES: u64 = 0x2_0000;

/// The partition of the physical function, which no tenant can be in.
pub const PARTITION: u16 = u16::MAX;

/// What windows are made of: 4 KiB.
pub const PAGE_BYTES: u64 = 4096;
/// Sizes of the pages of a list, as powers of two: 4 KiB and 2 MiB.
pub const PAGE_SHIFTS: [u32; 2] = [12, 21];
/// Entries that one page list may have: as many as there is room for.
pub const MAX_LIST_PAGES: u64 = LISTS_BYTES / 8;

const _: () = {
    assert!(DOORBELL + doorbell::PAGE_BYTES <= CONTROL_PAGES[0]);
    assert!(CONTROL_PAGES[0] + control::PAGE_BYTES <= CONTROL_PAGES[1]);
    assert!(CONTROL_PAGES[1] + control::PAGE_BYTES <= LISTS);
    assert!(LISTS + LISTS_BYTES == TABLES);
    assert!(TABLES + TABLES_BYTES == REGION_BYTES);
    assert!(REGION_BYTES.is_power_of_two());
};

/// How many objects a function may have: the quota in
/// [`CreateFunction`](crate::command::Opcode::CreateFunction), beside its page entries.
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct Objects {
    /// Protection domains.
    pub pds: u16,
    /// Completion queues.
    pub cqs: u16,
    /// Queue pairs.
    pub qps: u16,
    /// Memory regions.
    pub mrs: u16,
}

/// Where a tenant's function is in its life.
///
/// ```text
///            Create          Open            the tenant attaches
///   (free) ─────────▶ Closed ─────▶ Open ◀─────────────────────▶ Attached ──▶ Stopped
///      ▲                 │            ▲ │                            │           │
///      │     Destroy     │     Reset  │ └──────────┬─────────────────┴───────────┘
///      └──────────────── Leaving ◀────┼────────────┘ Reset, Destroy
///                           └─────────┘
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// Made; the tenant cannot attach yet.
    Closed = 1,
    /// The tenant may attach.
    Open = 2,
    /// The tenant has attached.
    Attached = 3,
    /// The tenant broke the rules of its own rings: nothing is served until it is taken back.
    Stopped = 4,
    /// It is being taken back: its memory may still be written.
    Leaving = 5,
}

impl State {
    /// The state with this number, if there is one.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            1 => Self::Closed,
            2 => Self::Open,
            3 => Self::Attached,
            4 => Self::Stopped,
            5 => Self::Leaving,
            _ => return None,
        })
    }
}

/// Size and alignment of a [`Record`] in bytes.
pub const RECORD_BYTES: u64 = 64;
/// Words of a record.
pub const RECORD_WORDS: usize = 8;

/// What [`ListFunctions`](crate::command::Opcode::ListFunctions) tells of one function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its number.
    pub function: u16,
    /// Where it is in its life.
    pub state: State,
    /// Its partition.
    pub partition: u16,
    /// Its weight.
    pub weight: u16,
    /// What the agent that made it gave with it.
    pub cookie: u64,
    /// The PA of its doorbell page.
    pub doorbell: u64,
    /// Bytes that its tenant may name.
    pub window_bytes: u64,
    /// Windows that they are in, after adjacent ones were merged.
    pub windows: u32,
    /// Objects and page entries that its tenant has made.
    pub objects_in_use: u32,
    /// How many objects it may have.
    pub objects: Objects,
    /// How many page entries it may have.
    pub pages: u32,
    /// How often it was attached since it was made.
    pub attaches: u32,
}

impl Record {
    /// The words as they stand in memory. The last one is zero.
    #[must_use]
    pub const fn to_words(&self) -> [u64; RECORD_WORDS] {
        [
            self.function as u64
                | (self.state as u64) << 16
                | (self.partition as u64) << 32
                | (self.weight as u64) << 48,
            self.cookie,
            self.doorbell,
            self.window_bytes,
            self.windows as u64 | (self.objects_in_use as u64) << 32,
            self.objects.into_bits(),
            self.pages as u64 | (self.attaches as u64) << 32,
            0,
        ]
    }

    /// The record in `words`, or `None` if its state is unknown.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "fields are cut out of words"
    )]
    pub const fn from_words(words: [u64; RECORD_WORDS]) -> Option<Self> {
        let Some(state) = State::from_bits((words[0] >> 16) as u8) else {
            return None;
        };
        Some(Self {
            function: words[0] as u16,
            state,
            partition: (words[0] >> 32) as u16,
            weight: (words[0] >> 48) as u16,
            cookie: words[1],
            doorbell: words[2],
            window_bytes: words[3],
            windows: words[4] as u32,
            objects_in_use: (words[4] >> 32) as u32,
            objects: Objects::from_bits(words[5]),
            pages: words[6] as u32,
            attaches: (words[6] >> 32) as u32,
        })
    }
}

/// Records that one list can have.
pub const MAX_LIST_RECORDS: u64 = TABLES_BYTES / RECORD_BYTES;

/// Bytes that [`QueryFunction`](crate::command::Opcode::QueryFunction) writes: a [`Record`],
/// [`Limits`] and [counters].
pub const QUERY_BYTES: u64 = 256;
/// Offset of the limits in them: two words.
pub const QUERY_LIMITS: u64 = RECORD_BYTES;
/// Offset of the counters.
pub const QUERY_COUNTERS: u64 = 128;

const _: () = assert!(QUERY_COUNTERS + counters::BYTES <= QUERY_BYTES);
const _: () = assert!(QUERY_LIMITS + 16 <= QUERY_COUNTERS);

/// How fast a function may go; zero is no limit. What its own requests move counts, in either
/// direction; what peers do to its memory does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes in a second.
    pub bytes_per_second: u64,
    /// Work requests in a second.
    pub requests_per_second: u64,
}

/// Why a tenant's function was stopped: the second word of
/// [`Event::TenantStopped`](crate::response::Event::TenantStopped).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum StopReason {
    /// It says that it has taken more responses than there were.
    BrokenResponseRing = 1,
}

impl StopReason {
    /// The reason with this number, if there is one.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Option<Self> {
        match bits {
            1 => Some(Self::BrokenResponseRing),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_its_words() {
        let record = Record {
            function: 0xfff0,
            state: State::Leaving,
            partition: 0xfff1,
            weight: 0xfff2,
            cookie: u64::MAX,
            doorbell: 0x4000_0000,
            window_bytes: 1 << 40,
            windows: u32::MAX,
            objects_in_use: 7,
            objects: Objects::new()
                .with_pds(1)
                .with_cqs(2)
                .with_qps(3)
                .with_mrs(u16::MAX),
            pages: u32::MAX,
            attaches: 9,
        };
        assert_eq!(Record::from_words(record.to_words()), Some(record));
        assert_eq!(record.objects.into_bits(), 0xffff_0003_0002_0001);
        assert_eq!(Record::from_words([0; RECORD_WORDS]), None);
    }

    #[test]
    fn numbers_name_at_most_one_state() {
        for bits in 0..=u8::MAX {
            if let Some(state) = State::from_bits(bits) {
                assert_eq!(state as u8, bits);
            }
        }
    }
}
