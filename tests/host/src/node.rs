//! A guest that is ready to work: one of everything.

use unimux_driver::{
    Access, Completion, CompletionQueue, CqFlags, Device, DmaBlock, MemoryRegion, Peer, Platform,
    ProtectionDomain, QpOptions, QueuePair, RecvWr, SendWr, bytes_for_qp,
};

use crate::{Guest, Ram};

/// How long a test waits for anything: longer than any test takes.
pub const LIMIT_NS: u64 = 20_000_000_000;

/// What a node is made of.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Entries of the completion queue.
    pub cq_entries: u32,
    /// Entries of the two work queues.
    pub qp: QpOptions,
    /// Bytes of data memory, registered with every right.
    pub data_bytes: u64,
    /// Flags of the completion queue.
    pub flags: CqFlags,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            cq_entries: 64,
            qp: QpOptions {
                send_entries: 16,
                recv_entries: 16,
            },
            data_bytes: 256 * 1024,
            flags: CqFlags::INTERRUPTS,
        }
    }
}

/// An attached function with a protection domain, a completion queue, a queue pair and a region.
#[derive(Debug)]
pub struct Node<P> {
    /// The device.
    pub device: Device<P>,
    /// The guest's memory.
    pub ram: Ram,
    /// Its protection domain.
    pub pd: ProtectionDomain,
    /// Its completion queue, for sends and receives.
    pub cq: CompletionQueue<P>,
    /// Its queue pair.
    pub qp: QueuePair<P>,
    /// Its data, registered.
    pub region: MemoryRegion,
    /// Its data.
    pub data: DmaBlock,
    /// Where the queue pair's two queues are.
    pub qp_block: DmaBlock,
    /// Where the completion queue and its record are.
    pub cq_block: DmaBlock,
}

/// The address by which requests name a node's data: not the IPA.
const IOVA: u64 = 0x7_0000_1000;

impl<P: Platform> Node<P> {
    /// Makes one of everything.
    ///
    /// # Panics
    ///
    /// If the firmware refuses any of it.
    #[must_use]
    pub fn new(mut device: Device<P>, guest: &Guest, shape: Shape) -> Self {
        let ram = guest.ram.clone();
        let pd = device.alloc_pd().expect("a protection domain");
        let cq_block = ram.take(device.bytes_for_cq(shape.cq_entries));
        let cq = device
            .create_cq(shape.cq_entries, shape.flags, cq_block)
            .expect("a completion queue");
        let qp_block = ram.take(bytes_for_qp(shape.qp.send_entries, shape.qp.recv_entries));
        let qp = device
            .create_qp(pd, &cq, &cq, shape.qp, qp_block)
            .expect("a queue pair");
        let data = ram.take(shape.data_bytes);
        let region = device
            .register_range(pd, data.ipa(), data.len_bytes(), IOVA, Access::all())
            .expect("a memory region");
        Self {
            device,
            ram,
            pd,
            cq,
            qp,
            region,
            data,
            qp_block,
            cq_block,
        }
    }

    /// The next completion.
    ///
    /// # Panics
    ///
    /// If none comes.
    pub fn completion(&mut self) -> Completion {
        self.cq.wait_one(LIMIT_NS).expect("a completion")
    }

    /// Posts `request`, signaled, and waits for its completion.
    ///
    /// # Panics
    ///
    /// If there is no room, or no completion.
    pub fn run(&mut self, request: SendWr) -> Completion {
        self.qp.post_send(&request.signaled()).expect("room");
        self.completion()
    }

    /// Posts a receive.
    ///
    /// # Panics
    ///
    /// If there is no room.
    pub fn receive(&mut self, request: RecvWr) {
        self.qp.post_recv(&request).expect("room");
    }

    /// The bytes at `offset` in its data.
    #[must_use]
    pub fn read(&self, offset: u64, len_bytes: usize) -> Vec<u8> {
        self.ram.read(self.data.ipa() + offset, len_bytes)
    }

    /// Puts `bytes` at `offset` of its data.
    pub fn write(&self, offset: u64, bytes: &[u8]) {
        self.ram.write(self.data.ipa() + offset, bytes);
    }

    /// Takes its queue pair to the reset state and connects it to `peer` again.
    ///
    /// # Panics
    ///
    /// If the firmware refuses.
    pub fn reconnect(&mut self, peer: &Peer) {
        self.device
            .reset_qp(&mut self.qp, &self.cq, &self.cq)
            .expect("reset");
        self.device.connect(&self.qp, peer).expect("connect");
    }

    /// How a peer connects to it.
    #[must_use]
    pub fn as_peer(&self) -> Peer {
        Peer::new(self.device.limits().function, self.qp.number())
    }
}

/// Connects two nodes with each other.
///
/// # Panics
///
/// If the firmware refuses.
pub fn connect<P: Platform>(a: &mut Node<P>, b: &mut Node<P>) {
    let (to_a, to_b) = (a.as_peer(), b.as_peer());
    a.device.connect(&a.qp, &to_b).expect("connect");
    b.device.connect(&b.qp, &to_a).expect("connect");
}
