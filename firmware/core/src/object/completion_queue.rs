//! Completion queues.

use unimux_abi::completion;
use unimux_memory::Span;
use unimux_ring::Producer;

/// A completion queue, with what the firmware remembers of it.
#[derive(Debug)]
pub(crate) struct CompletionQueue {
    pub(crate) ring: Producer<'static, { completion::WORDS }>,
    /// The consumer record, if the guest means to arm the queue.
    pub(crate) record: Option<Span>,
    /// The arm word that was answered with an interrupt last.
    pub(crate) answered_arm: u64,
    /// Queue pairs that complete here.
    pub(crate) users: u16,
    /// Set for ever when a completion found no room.
    pub(crate) overrun: bool,
}
