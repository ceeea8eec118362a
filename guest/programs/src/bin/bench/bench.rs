//! The measuring guest: its function, and a connection to every helper.

use heapless::Vec;
use unimux_driver::{Counter, Counters, MemoryRegion};
use unimux_guest_rt::{Function, Guest, barrier, clock};
use unimux_programs::connection::register;
use unimux_programs::failure::{Failure, ensure};
use unimux_programs::{Buffer, Connection, Session};

use crate::output::metric;
use crate::task;

/// Bytes of every guest's registered buffer.
pub(crate) const BUFFER_BYTES: usize = 8 << 20;
/// The largest request that is measured.
pub(crate) const MIB: u32 = 1 << 20;

/// Most helpers there can be.
pub(crate) const HELPERS_MAX: usize = 7;

/// What all parts of the bench work with.
pub(crate) struct Bench {
    pub(crate) guest: Guest,
    pub(crate) function: Function,
    pub(crate) session: Session,
    pub(crate) helpers: Vec<Connection, HELPERS_MAX>,
    pub(crate) buffer: Buffer,
    pub(crate) region: MemoryRegion,
    /// What reading the cycle counter twice costs.
    pub(crate) reading_cycles: u64,
}

impl Bench {
    /// Attaches and connects to every peer, all of whom must be helpers.
    pub(crate) fn begin(mut guest: Guest) -> Result<Self, Failure> {
        let function = guest.expect_function();
        let mut session = Session::open(&function, &mut guest.memory)?;
        let buffer = Buffer::take(&mut guest.memory, BUFFER_BYTES)?;
        buffer.fill_pattern(1);
        let region = register(&mut session, buffer)?;
        let mut helpers = Vec::new();
        for &peer in function.peers() {
            let connection = Connection::open(&mut session, &mut guest.memory, peer, &region)?;
            let there_was_room = helpers.push(connection).is_ok();
            ensure(there_was_room, "there are at most seven helpers")?;
        }
        ensure(!helpers.is_empty(), "there is a helper")?;
        let reading_cycles = (0..100).map(|_| reading_cycles()).min().unwrap_or(0);
        ensure(reading_cycles > 0, "PMCCNTR counts")?;
        Ok(Self {
            guest,
            function,
            session,
            helpers,
            buffer,
            region,
            reading_cycles,
        })
    }

    /// The function's counters now.
    pub(crate) fn counters(&mut self) -> Result<Counters, Failure> {
        Ok(self.session.device.query_counters()?)
    }

    /// Prints what the function holds.
    pub(crate) fn print_held(&mut self) -> Result<(), Failure> {
        let held = self.counters()?.get(Counter::HeldBytes);
        metric("function_bytes", held, "bytes");
        Ok(())
    }

    /// Sends the helpers home.
    pub(crate) fn end(mut self) -> Result<(), Failure> {
        for helper in &self.helpers {
            self.session.ask(helper.peer, task::END, 0)?;
        }
        Ok(())
    }
}

fn reading_cycles() -> u64 {
    let before = clock::cycles();
    clock::cycles() - before
}

/// A tick soon, from which on several guests do something together. Guests of one scenario have
/// the same virtual counter.
pub(crate) fn common_beginning() -> u64 {
    clock::ticks() + clock::ns_to_ticks(task::LEAD_NS)
}

/// Waits for that tick.
pub(crate) fn wait_for(tick: u64) {
    while clock::ticks() < tick {
        barrier::relax();
    }
}
