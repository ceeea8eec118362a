//! What guests tell each other before they are connected: letters of 24 bytes.
//!
//! They travel by the driver's `message`; this is only how these guests use its three words.

use unimux_driver::{MemoryRegion, Remote};

/// What a letter is about: the top byte of its third word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Subject {
    /// "This is my queue pair, and this is memory you may use."
    Hello = 1,
    /// "This is the memory that you asked for."
    Landing = 2,
    /// "I have come to this point": the first word is its number.
    Reached = 3,
    /// "Do this": a number and an argument.
    Task = 4,
    /// "I have done it": the number and a result.
    Done = 5,
}

/// A letter, as written or as read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Letter(pub [u64; 3]);

/// Bits of the third word that are left beside the subject.
const THIRD_BITS: u32 = 56;

impl Letter {
    fn new(subject: Subject, first: u64, second: u64, third: u64) -> Self {
        Self([first, second, third | (subject as u64) << THIRD_BITS])
    }

    /// Offers the queue pair `qpn` and `region`.
    pub fn hello(qpn: u32, region: &MemoryRegion) -> Self {
        let keys = u64::from(qpn) | u64::from(region.rkey) << 32;
        Self::new(Subject::Hello, keys, region.iova, region.len_bytes)
    }

    /// Offers another region.
    pub fn landing(region: &MemoryRegion) -> Self {
        let keys = u64::from(region.rkey) << 32;
        Self::new(Subject::Landing, keys, region.iova, region.len_bytes)
    }

    /// Says that the sender has come to the point `number`.
    pub fn reached(number: u64) -> Self {
        Self::new(Subject::Reached, number, 0, 0)
    }

    /// Asks for the task `number` with `argument`.
    pub fn task(number: u64, argument: u64) -> Self {
        Self::new(Subject::Task, number, argument, 0)
    }

    /// Answers the task `number` with `result`.
    pub fn done(number: u64, result: u64) -> Self {
        Self::new(Subject::Done, number, result, 0)
    }

    /// Whether it is about `subject`.
    pub fn is(&self, subject: Subject) -> bool {
        self.0[2] >> THIRD_BITS == subject as u64
    }

    /// The queue pair number offered.
    pub fn qpn(&self) -> u32 {
        self.0[0] as u32
    }

    /// The memory offered.
    pub fn remote(&self) -> Remote {
        Remote {
            address: self.0[1],
            rkey: (self.0[0] >> 32) as u32,
        }
    }

    /// The length of the memory offered.
    pub fn len_bytes(&self) -> u64 {
        self.0[2] & ((1 << THIRD_BITS) - 1)
    }

    /// The number of a point or a task.
    pub fn number(&self) -> u64 {
        self.0[0]
    }

    /// The argument of a task, or its result.
    pub fn value(&self) -> u64 {
        self.0[1]
    }
}
