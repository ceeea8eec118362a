//! What Mallory attacks with: a queue pair connected to itself, and its raw memory.

use unimux_abi::completion;
use unimux_driver::{
    Access, CompletionQueue, CqFlags, Detail, Error, Peer, QpOptions, QueuePair, SendWr, Status,
    bytes_for_qp,
};
use unimux_guest_rt::memory::FreeMemory;
use unimux_guest_tests::wait::comes_true;
use unimux_programs::failure::{Failure, ensure};
use unimux_programs::{Buffer, Machine, Session};

/// Entries of each queue.
pub(crate) const ENTRIES: u32 = 16;

/// A fresh queue pair for each attack, since most of them break it.
pub(crate) struct Target {
    pub(crate) qp: QueuePair<Machine>,
    pub(crate) cq: CompletionQueue<Machine>,
    /// The send queue, as the firmware reads it.
    pub(crate) send_queue: Buffer,
    /// The completion ring, and behind it the consumer record.
    pub(crate) cq_buffer: Buffer,
}

impl Target {
    pub(crate) fn new(
        session: &mut Session,
        memory: &mut FreeMemory,
        cq_entries: u32,
    ) -> Result<Self, Error> {
        let cq_bytes = session.device.bytes_for_cq(cq_entries) as usize;
        let cq_buffer = Buffer::take(memory, cq_bytes)?;
        let device = &mut session.device;
        let cq = device.create_cq(cq_entries, CqFlags::empty(), cq_buffer.block())?;
        let options = QpOptions {
            send_entries: ENTRIES,
            recv_entries: ENTRIES,
        };
        let send_queue = Buffer::take(memory, bytes_for_qp(ENTRIES, ENTRIES) as usize)?;
        let qp = device.create_qp(session.pd, &cq, &cq, options, send_queue.block())?;
        let itself = Peer {
            access: Access::all(),
            ..Peer::new(device.limits().function, qp.number())
        };
        device.connect(&qp, &itself)?;
        Ok(Self {
            qp,
            cq,
            send_queue,
            cq_buffer,
        })
    }

    /// Posts `request`, the first of this queue pair, and answers with how it ended. Reads the
    /// completion itself: the driver takes one with an opcode that it does not know for broken.
    pub(crate) fn post(&mut self, request: SendWr) -> Result<Outcome, Failure> {
        self.qp.post_send(&request.signaled())?;
        let head = || completion::Head::from_bits(self.cq_buffer.load(0));
        ensure(comes_true(|| head().phase()), "an attack is answered")?;
        let status = Status::from_bits(head().status());
        let detail = Detail::from_bits(self.cq_buffer.load(3) as u32);
        Ok(Outcome(status.zip(detail)))
    }

    pub(crate) fn close(mut self, session: &mut Session) -> Result<(), Error> {
        session.device.destroy_qp(&mut self.qp)?;
        session.device.destroy_cq(&mut self.cq)
    }
}

/// How an attack ended, if there was a completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome(pub(crate) Option<(Status, Detail)>);
