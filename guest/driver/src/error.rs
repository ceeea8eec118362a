//! What can go wrong in the driver.
//!
//! How a work request ended is not here: that is the completion's status.

use thiserror::Error;
use unimux_abi::control::Attach;
use unimux_abi::response::Status;

/// Why a verb failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Error {
    /// The firmware did not answer in time. A late answer is dropped, so an object that it made is
    /// not known to the driver.
    #[error("the firmware did not answer in time")]
    Timeout,
    /// All entries of the queue are in use: poll the completion queue, then post again.
    #[error("the queue is full")]
    QueueFull,
    /// More data than an entry can carry itself.
    #[error("{len_bytes} bytes do not fit into an entry")]
    InlineTooLong {
        /// How many bytes were given.
        len_bytes: usize,
    },
    /// A number of queue entries that is not a power of two from 2 to 32768.
    #[error("{0} is not a number of queue entries")]
    InvalidEntries(u32),
    /// The memory given is too small for what should stand in it.
    #[error("{needed_bytes} bytes needed, {given_bytes} given")]
    BlockTooSmall {
        /// Bytes needed.
        needed_bytes: u64,
        /// Bytes given.
        given_bytes: u64,
    },
    /// The memory given begins at an address that is not aligned.
    #[error("{ipa:#x} is not a multiple of {alignment}")]
    Misaligned {
        /// Where it begins.
        ipa: u64,
        /// What it should be a multiple of.
        alignment: u64,
    },
    /// The page list does not cover the region.
    #[error("{pages} pages do not hold the region")]
    PagesDoNotCover {
        /// How many pages were given.
        pages: usize,
    },
    /// These are not the completion queues that the queue pair was made with.
    #[error("not the queue pair's completion queues")]
    ForeignCq,
    /// The firmware would not attach the function.
    #[error("attach refused: {0:?}")]
    AttachRefused(Attach),
    /// The firmware refused a command.
    #[error("command refused: {0:?}")]
    Refused(Status),
    /// All entries of the command ring wait for answers that timed out.
    #[error("the command ring is full")]
    CommandRingFull,
    /// The firmware has stopped the function, with this reason.
    #[error("the function is stopped, reason {0:#x}")]
    FunctionStopped(u64),
    /// The firmware's answer to the attach makes no sense.
    #[error("unknown attach answer {0:#x}")]
    BrokenAnswer(u64),
    /// A response makes no sense: unknown kind, or unknown status. Its head.
    #[error("broken response {0:#x}")]
    BrokenResponse(u64),
    /// The result of a command makes no sense, such as a handle beyond the function's limits.
    #[error("broken result {0:#x}")]
    BrokenResult(u64),
    /// A completion makes no sense: unknown status, opcode, detail or queue pair. Its head.
    #[error("broken completion {0:#x}")]
    BrokenCompletion(u64),
}
