//! A file goes from one guest to the other, and both prove that it arrived.
//!
//! It does not print and has no clock of its own; it measures by the platform's.
//!
//! ```text
//!  writer.rs                                     reader.rs
//!  has the file in memory
//!  WRITE, WRITE … WRITE with immediate ───────▶  SHA-256 of what arrived
//!  compares with its own          ◀─────── SEND  the digest
//!  READs it back, compares every byte (if it wants)
//!  8-byte WRITEs, FETCH-ADDs      ◀───────────▶  8-byte WRITEs, FETCH-ADDs  (hammer.rs)
//!  is told by the caller                         waits until the writer has told its results
//! ```

mod bulk;
mod hammer;
mod reader;
mod writer;

use heapless::Vec;
use unimux_driver::MemoryRegion;

pub use bulk::chunks;
pub use reader::{Announced, Landing, expect_file, receive};
pub use writer::{File, Source, send, told};

use crate::digest::Digest;
use crate::latency::Latencies;
use crate::table::Row;
use crate::{Buffer, Connection, Session};

/// Points at which both guests meet. Between the first and the last nothing is printed.
mod point {
    pub(super) const READY: u64 = 1;
    pub(super) const HAMMER: u64 = 2;
    pub(super) const HAMMERED: u64 = 3;
    /// The writer has shown its results.
    pub(super) const TOLD: u64 = 4;
}

/// What both roles work with.
#[derive(Debug)]
pub struct Job<'a, P> {
    /// The attached function.
    pub session: &'a mut Session<P>,
    /// The connection to the peer, to whom `arena` was offered.
    pub connection: &'a mut Connection<P>,
    /// Memory that the peer may write and do atomics in: 4 KiB.
    pub arena: Buffer,
    /// Its region.
    pub arena_region: &'a MemoryRegion,
    /// Room for as many samples as there are requests of a kind.
    pub latencies: &'a mut Latencies,
}

/// What a caller may want to know while the job goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// From now on nothing but data moves.
    Begun,
    /// So many bytes of the file were moved by this guest, there or back.
    Moved(u64),
    /// The last request of the job is complete.
    Ended,
}

/// How a job ended that ended well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What was done, in the order in which it was done.
    pub rows: Vec<Row, 8>,
    /// Of the file, computed by this guest from its own memory.
    pub digest: Digest,
    /// How long the file is.
    pub file_bytes: usize,
}
