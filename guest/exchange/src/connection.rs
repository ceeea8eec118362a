//! A queue pair connected to a peer, with its completion queue and the memory both offered.

use unimux_abi::completion;
use unimux_driver::{
    Access, ArmKind, Completion, CompletionQueue, CqFlags, DmaBlock, Error, Memory, MemoryRegion,
    Peer, Platform, QpOptions, QueuePair, Remote, SendWr, bytes_for_qp,
};

use crate::failure::{Failure, succeeded};
use crate::letter::Letter;
use crate::{Buffer, Session};

/// How long an operation may take before the program gives up, in nanoseconds.
pub const OPERATION_PATIENCE_NS: u64 = 30_000_000_000;

/// Entries that each queue of a connection cannot do without.
const QUEUE_ENTRIES_MIN: u32 = 32;

/// What a connection's queues are like.
#[derive(Clone, Copy, Debug)]
pub struct Queues {
    /// Of the completion queue.
    pub flags: CqFlags,
    /// Entries of the send queue, a power of two; fewer where memory for them is not contiguous.
    pub sends: u32,
    /// The same of the receive queue.
    pub receives: u32,
}

impl Default for Queues {
    fn default() -> Self {
        Self {
            flags: CqFlags::empty(),
            sends: 128,
            receives: 128,
        }
    }
}

/// Everything that moves data between this guest and one peer.
#[derive(Debug)]
pub struct Connection<P> {
    /// The peer's function.
    pub peer: u32,
    /// The queue pair.
    pub qp: QueuePair<P>,
    cq: CompletionQueue<P>,
    cq_block: DmaBlock,
    platform: P,
    taken: u64,
    /// The peer's memory, and its length in bytes.
    pub remote: Remote,
    /// Length of the peer's memory in bytes.
    pub remote_bytes: u64,
}

impl<P: Platform> Connection<P> {
    /// Makes a queue pair, offers it and `region` to `peer`, and connects it to the one that the
    /// peer offers in the same way.
    ///
    /// # Errors
    /// The driver's; [`Error::Timeout`] if the peer does not answer.
    pub fn open(
        session: &mut Session<P>,
        memory: &mut impl Memory,
        peer: u32,
        region: &MemoryRegion,
    ) -> Result<Self, Error> {
        Self::open_with(session, memory, peer, region, Queues::default())
    }

    /// As [`open`](Self::open), with queues of the caller's choice.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(
        session: &mut Session<P>,
        memory: &mut impl Memory,
        peer: u32,
        region: &MemoryRegion,
        queues: Queues,
    ) -> Result<Self, Error> {
        let queues = make(session, memory, queues)?;
        let hello = session.greet(peer, Letter::hello(queues.2.number(), region))?;
        Self::join(session, peer, queues, hello)
    }

    /// Connects to `peer`, whose `hello` has come already, and offers `region`.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn answer(
        session: &mut Session<P>,
        memory: &mut impl Memory,
        peer: u32,
        hello: Letter,
        region: &MemoryRegion,
        queues: Queues,
    ) -> Result<Self, Error> {
        let queues = make(session, memory, queues)?;
        let own = Letter::hello(queues.2.number(), region);
        // The peer may send as soon as it has the letter.
        let connection = Self::join(session, peer, queues, hello)?;
        session.send(peer, own)?;
        Ok(connection)
    }

    fn join(
        session: &mut Session<P>,
        peer: u32,
        (cq, cq_block, qp): Made<P>,
        hello: Letter,
    ) -> Result<Self, Error> {
        session.device.connect(&qp, &Peer::new(peer, hello.qpn()))?;
        Ok(Self {
            peer,
            qp,
            cq,
            cq_block,
            platform: session.device.platform().clone(),
            taken: 0,
            remote: hello.remote(),
            remote_bytes: hello.len_bytes(),
        })
    }

    /// Ends the queue pair and the completion queue; nothing of them is in flight afterwards.
    ///
    /// # Errors
    /// The driver's.
    pub fn close(mut self, session: &mut Session<P>) -> Result<(), Error> {
        session.device.destroy_qp(&mut self.qp)?;
        session.device.destroy_cq(&mut self.cq)
    }

    /// The platform: doorbell, clock, and a moment for others.
    pub const fn platform(&self) -> &P {
        &self.platform
    }

    /// Asks for one interrupt when something of `kind` completes; tells whether something is there
    /// already.
    pub fn arm(&mut self, kind: ArmKind) -> bool {
        self.cq.arm(kind)
    }

    /// Waits for the next completion, whatever it completes.
    ///
    /// # Errors
    /// [`Error::Timeout`], or [`Error::BrokenCompletion`].
    pub fn wait(&mut self) -> Result<Completion, Error> {
        let completion = self.cq.wait_one(OPERATION_PATIENCE_NS)?;
        self.taken += 1;
        Ok(completion)
    }

    /// Takes a completion, if there is one.
    ///
    /// # Errors
    /// [`Error::BrokenCompletion`].
    #[inline]
    pub fn poll(&mut self) -> Result<Option<Completion>, Error> {
        let completion = self.cq.poll_one()?;
        self.taken += u64::from(completion.is_some());
        Ok(completion)
    }

    /// Polls until a completion comes, without a clock in the loop: for measuring.
    ///
    /// # Errors
    /// [`Error::BrokenCompletion`], or the completion if it is not a success.
    #[inline]
    pub fn spin(&mut self) -> Result<Completion, Failure> {
        loop {
            if let Some(completion) = self.poll()? {
                return succeeded(completion);
            }
            self.platform.relax();
        }
    }

    /// The next completion: sleeping for it on a platform that can, spinning on another.
    ///
    /// # Errors
    /// As [`wait`](Self::wait), or the completion if it is not a success.
    #[inline]
    pub fn next_success(&mut self) -> Result<Completion, Failure> {
        match self.platform.polls_ns() {
            None => self.spin(),
            Some(_) => succeeded(self.wait()?),
        }
    }

    /// Where the next completion will appear: the IPA of its head, and the phase that it will have.
    pub fn next_completion(&self) -> (u64, u64) {
        let entries = u64::from(self.cq.entries());
        let ipa = self.cq_block.ipa() + self.taken % entries * completion::BYTES;
        let phase = 1 - self.taken / entries % 2;
        (ipa, phase)
    }

    /// Posts `request`, which must be signaled, and waits for its completion.
    ///
    /// # Errors
    /// As [`wait`](Self::wait), [`Error::QueueFull`], or the completion if it is not a success.
    pub fn carry_out(&mut self, request: &SendWr) -> Result<Completion, Failure> {
        self.qp.post_send(request)?;
        succeeded(self.wait()?)
    }
}

type Made<P> = (CompletionQueue<P>, DmaBlock, QueuePair<P>);

fn make<P: Platform>(
    session: &mut Session<P>,
    memory: &mut impl Memory,
    queues: Queues,
) -> Result<Made<P>, Error> {
    let block_bytes = memory.largest_block_bytes();
    let mut options = QpOptions {
        send_entries: queues.sends,
        recv_entries: queues.receives,
    };
    while !fits(session, &options, block_bytes) && options.recv_entries > QUEUE_ENTRIES_MIN {
        options.recv_entries /= 2;
        options.send_entries = options.send_entries.min(options.recv_entries);
    }
    let cq_entries = completions(&options);
    let cq_block = memory.take_block(session.device.bytes_for_cq(cq_entries))?;
    let cq = session
        .device
        .create_cq(cq_entries, queues.flags, cq_block)?;
    let block = memory.take_block(bytes_for_qp(options.send_entries, options.recv_entries))?;
    let qp = session
        .device
        .create_qp(session.pd, &cq, &cq, options, block)?;
    Ok((cq, cq_block, qp))
}

/// Completions that both queues of a queue pair can have waiting, as a power of two.
const fn completions(options: &QpOptions) -> u32 {
    (options.send_entries + options.recv_entries).next_power_of_two()
}

/// Whether blocks of `block_bytes` hold queues of these sizes.
fn fits<P: Platform>(session: &Session<P>, options: &QpOptions, block_bytes: u64) -> bool {
    bytes_for_qp(options.send_entries, options.recv_entries) <= block_bytes
        && session.device.bytes_for_cq(completions(options)) <= block_bytes
}

/// Registers all of `buffer`, which was taken with [`Buffer::take`], for everything.
///
/// # Errors
/// The driver's.
pub fn register<P: Platform>(
    session: &mut Session<P>,
    buffer: Buffer,
) -> Result<MemoryRegion, Error> {
    let (ipa, len) = (buffer.address(), buffer.len_bytes());
    session
        .device
        .register_range(session.pd, ipa, len, ipa, Access::all())
}
