//! Queue pairs.

use unimux_abi::command::{Access, QpState};
use unimux_abi::work;
use unimux_memory::Span;
use unimux_ring::Consumer;

/// A queue pair that a queue pair is connected to.
#[derive(Clone, Copy, Debug, Eq)]
#[repr(align(8))]
pub(crate) struct Peer {
    pub(crate) function: u16,
    pub(crate) qp: u16,
    /// The number it had when it was connected: if another queue pair has its place now, the
    /// number is another, too.
    pub(crate) number: u32,
}

impl Peer {
    /// All of it, in one word.
    const fn bits(self) -> u64 {
        self.function as u64 | (self.qp as u64) << 16 | (self.number as u64) << 32
    }
}

impl PartialEq for Peer {
    /// One comparison, where one for each field would be three branches in every request.
    fn eq(&self, other: &Self) -> bool {
        self.bits() == other.bits()
    }
}

/// What a queue pair is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nothing: the next entry can be fetched.
    Idle,
    /// The entry that was fetched waits for its peer.
    Waiting {
        /// How often it was tried.
        tries: u32,
        /// When to try again, in nanoseconds.
        at_ns: u64,
    },
    /// Its request is being carried out.
    Active,
}

/// A queue pair, with what the firmware remembers of it.
#[derive(Debug)]
pub(crate) struct QueuePair {
    pub(crate) number: u32,
    pub(crate) pd: u16,
    pub(crate) state: QpState,
    /// What the peer may do.
    pub(crate) access: Access,
    pub(crate) rnr_retries: u8,
    pub(crate) send_cq: u16,
    pub(crate) receive_cq: u16,
    pub(crate) send: Consumer<'static, { work::WORDS }>,
    pub(crate) receive: Consumer<'static, { work::WORDS }>,
    /// Where the two rings are, to begin anew after a reset.
    pub(crate) rings: [Span; 2],
    pub(crate) peer: Option<Peer>,
    pub(crate) stage: Stage,
    /// The entry that was fetched last.
    pub(crate) entry: work::Entry,
}

impl QueuePair {
    /// Whether the queue pair carries out requests of `peer`.
    pub(crate) fn answers(&self, peer: Peer) -> bool {
        matches!(self.state, QpState::ReadyToReceive | QpState::ReadyToSend)
            && self.peer == Some(peer)
    }
}
