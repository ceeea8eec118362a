//! The bytes that were asked for arrive, and no others change, whatever moves them and however they lie.
//! scenario: engine
//!
//! Everything is done by the engine core, and once more by the machine's DMA engine if it has one:
//! lengths from a byte to megabytes, every alignment of both ends against each other, memory in one
//! piece and in pages that are scattered, of which a DMA engine is told in lists of descriptors.
#![no_std]
#![no_main]

use unimux_driver::{
    Access, CompletionQueue, CqFlags, Error, MemoryRegion, PageList, Peer, QpOptions, QueuePair,
    SendWr, bytes_for_page_list, bytes_for_qp,
};
use unimux_guest_rt::memory::{FreeMemory, PAGE_BYTES};
use unimux_guest_rt::paravirt::hypercall::CROSSOVER_NEVER;
use unimux_guest_rt::{Guest, entry, hypercall};
use unimux_guest_tests::Checks;
use unimux_programs::{Buffer, Machine, Session};

entry!(main);

/// Bytes of the source and of the destination.
const BYTES: usize = 4 << 20;
const PAGES: usize = BYTES / PAGE_BYTES;
/// A step through the pages of a buffer that visits each: odd, of a power of two.
const SCATTER: usize = 77;
const PATIENCE_NS: u64 = 10_000_000_000;

/// Lengths at which descriptors, lines, pages, blocks and lists end or begin.
const LENGTHS: [usize; 14] = [
    1,
    7,
    8,
    63,
    64,
    65,
    4095,
    4096,
    16_385,
    65_536,
    256 * 1024 + 1,
    (1 << 20) - 1,
    (1 << 20) + 1,
    3_000_001,
];

/// One guest with two queue pairs that are each other's peer.
struct World {
    session: Session,
    cq: CompletionQueue<Machine>,
    qp: QueuePair<Machine>,
    _peer: QueuePair<Machine>,
    source: Buffer,
    destination: Buffer,
}

fn main(guest: Guest) -> i32 {
    let mut checks = Checks::new();
    let done = show(guest, &mut checks);
    checks.equal("all requests were made", done, Ok(()));
    checks.code()
}

fn show(mut guest: Guest, checks: &mut Checks) -> Result<(), Error> {
    let function = guest.expect_function();
    let mut session = Session::open(&function, &mut guest.memory)?;
    let memory = &mut guest.memory;
    let [source, destination] = [Buffer::take(memory, BYTES)?, Buffer::take(memory, BYTES)?];
    source.fill_pattern(1);
    let whole = [source, destination].map(|buffer| in_one_piece(&mut session, buffer));
    let [from, to] = [whole[0]?, whole[1]?];
    let from_pages = in_pages(&mut session, memory, source)?;
    let to_pages = in_pages(&mut session, memory, destination)?;
    let cq_block = Buffer::take(memory, session.device.bytes_for_cq(16) as usize)?.block();
    let cq = session.device.create_cq(16, CqFlags::empty(), cq_block)?;
    let [qp, peer] = [
        queue_pair(&mut session, memory, &cq)?,
        queue_pair(&mut session, memory, &cq)?,
    ];
    let id = session.id();
    let ends = [(&qp, peer.number()), (&peer, qp.number())];
    for (own, number) in ends {
        session.device.connect(own, &Peer::new(id, number))?;
    }
    let mut world = World {
        session,
        cq,
        qp,
        _peer: peer,
        source,
        destination,
    };
    // Where there is no DMA engine, both are the core.
    let mut by = |crossover| -> Result<usize, Error> {
        let _refused = hypercall::baseline_crossover(crossover);
        let mut wrong = 0;
        for (from, to, scattered) in [
            (&from, &to, [false, false]),
            (&from_pages, &to, [true, false]),
            (&from, &to_pages, [false, true]),
            (&from_pages, &to_pages, [true, true]),
        ] {
            wrong += world.every_length(from, to, scattered)?;
        }
        Ok(wrong)
    };
    checks.equal("by the core, wrong bytes", by(CROSSOVER_NEVER), Ok(0));
    checks.equal("by what else there is, wrong bytes", by(0), Ok(0));
    world.session.device.nop()
}

fn in_one_piece(session: &mut Session, buffer: Buffer) -> Result<MemoryRegion, Error> {
    let (pd, at) = (session.pd, buffer.address());
    let device = &mut session.device;
    device.register_range(pd, at, buffer.len_bytes(), at, Access::all())
}

/// The buffer's pages as a region, in another order.
fn in_pages(
    session: &mut Session,
    memory: &mut FreeMemory,
    buffer: Buffer,
) -> Result<MemoryRegion, Error> {
    let mut pages = [0; PAGES];
    for (index, page) in pages.iter_mut().enumerate() {
        *page = buffer.address() + (place(index) * PAGE_BYTES) as u64;
    }
    let list = PageList {
        pages: &pages,
        page_shift: PAGE_BYTES.ilog2() as u8,
        block: Buffer::take(memory, bytes_for_page_list(PAGES) as usize)?.block(),
    };
    let pd = session.pd;
    let device = &mut session.device;
    device.register_pages(pd, &list, buffer.address(), BYTES as u64, Access::all())
}

/// Which page of the buffer is page `index` of the scattered region.
const fn place(index: usize) -> usize {
    index * SCATTER % PAGES
}

/// Where byte `offset` of a region is in its buffer.
const fn byte(offset: usize, is_scattered: bool) -> usize {
    match is_scattered {
        true => place(offset / PAGE_BYTES) * PAGE_BYTES + offset % PAGE_BYTES,
        false => offset,
    }
}

fn queue_pair(
    session: &mut Session,
    memory: &mut FreeMemory,
    cq: &CompletionQueue<Machine>,
) -> Result<QueuePair<Machine>, Error> {
    let options = QpOptions {
        send_entries: 16,
        recv_entries: 2,
    };
    let block = Buffer::take(memory, bytes_for_qp(16, 2) as usize)?.block();
    session.device.create_qp(session.pd, cq, cq, options, block)
}

impl World {
    /// Bytes that are wrong after a WRITE of every length, at alignments that differ each time.
    fn every_length(
        &mut self,
        from: &MemoryRegion,
        to: &MemoryRegion,
        scattered: [bool; 2],
    ) -> Result<usize, Error> {
        let mut wrong = 0;
        for (index, len) in LENGTHS.into_iter().enumerate() {
            for shift in 0..8 {
                let (at, target) = (index * 37 + shift, PAGE_BYTES + index * 11 + shift * shift);
                // The long ones at one alignment, or this would take minutes in an emulator.
                if len > PAGE_BYTES && shift != index % 8 {
                    continue;
                }
                wrong += self.write(from, to, scattered, [at, target, len])?;
            }
        }
        Ok(wrong)
    }

    fn write(
        &mut self,
        from: &MemoryRegion,
        to: &MemoryRegion,
        scattered: [bool; 2],
        [at, target, len]: [usize; 3],
    ) -> Result<usize, Error> {
        for word in self.destination.words() {
            word.store(0, core::sync::atomic::Ordering::Relaxed);
        }
        let local = from.segment(at as u64, len as u32);
        let request = SendWr::write(local, to.remote(target as u64)).signaled();
        self.qp.post_send(&request)?;
        let done = self.cq.wait_one(PATIENCE_NS)?;
        if !done.is_success() {
            return Ok(len);
        }
        let byte_of =
            |buffer: Buffer, offset: usize| buffer.load(offset / 8).to_le_bytes()[offset % 8];
        let moved = (0..len).filter(|index| {
            let found = byte_of(self.destination, byte(target + index, scattered[1]));
            found != byte_of(self.source, byte(at + index, scattered[0]))
        });
        let beside = [target.wrapping_sub(1), target + len]
            .into_iter()
            .filter(|offset| {
                *offset < BYTES && byte_of(self.destination, byte(*offset, scattered[1])) != 0
            });
        Ok(moved.count() + beside.count())
    }
}
