//! What Mallory attacks with: a queue pair connected to itself, and its raw memory.

use unimux_driver::{
    Access, CompletionQueue, CqFlags, Error, Peer, QpOptions, QueuePair, SendWr, bytes_for_qp,
};
use unimux_guest_rt::memory::FreeMemory;
use unimux_programs::failure::Failure;
use unimux_programs::{Buffer, Machine, Session};

/// Entries of each queue.
pub(crate) const ENTRIES: u32 = 16;
const PATIENCE_NS: u64 = 10_000_000_000;

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
        let cq_buffer = Buffer::take(memory, cq_bytes);
        let device = &mut session.device;
        let cq = device.create_cq(cq_entries, CqFlags::empty(), cq_buffer.block())?;
        let options = QpOptions {
            send_entries: ENTRIES,
            recv_entries: ENTRIES,
        };
        let send_queue = Buffer::take(memory, bytes_for_qp(ENTRIES, ENTRIES) as usize);
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

    /// Posts `request` and answers with how it ended.
    pub(crate) fn post(&mut self, request: SendWr) -> Result<Outcome, Failure> {
        self.qp.post_send(&request.signaled())?;
        let completion = self.cq.wait_one(PATIENCE_NS)?;
        Ok(Outcome(Some((completion.status, completion.detail))))
    }

    pub(crate) fn close(mut self, session: &mut Session) -> Result<(), Error> {
        session.device.destroy_qp(&mut self.qp)?;
        session.device.destroy_cq(&mut self.cq)
    }
}

/// How an attack ended, if there was a completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome(pub(crate) Option<(unimux_driver::Status, unimux_driver::Detail)>);
