//! A guest with a connection whose completions interrupt it, once its queue is armed.

use unimux_driver::{CqFlags, Error, MemoryRegion};
use unimux_guest_rt::Guest;
use unimux_guest_rt::device_tree::Function;
use unimux_guest_rt::memory::PAGE_BYTES;
use unimux_programs::connection::{Queues, register};
use unimux_programs::{Buffer, Connection, Session};

use crate::Checks;

/// The connection, to the first peer.
pub struct Sleeper {
    /// The guest's own function.
    pub function: Function,
    /// The peer's function.
    pub peer: u32,
    /// What it agrees with its peer by.
    pub session: Session,
    /// The connection.
    pub connection: Connection,
    /// A page for what it receives.
    pub region: MemoryRegion,
}

/// Connects to the first peer and has `claim` make its checks. Returns the exit code.
pub fn main(
    mut guest: Guest,
    claim: impl FnOnce(&Guest, Sleeper, &mut Checks) -> Result<(), Error>,
) -> i32 {
    let mut checks = Checks::new();
    let done = connect(&mut guest).and_then(|sleeper| claim(&guest, sleeper, &mut checks));
    checks.equal("all requests are carried out", done, Ok(()));
    checks.code()
}

fn connect(guest: &mut Guest) -> Result<Sleeper, Error> {
    let function = guest.expect_function();
    let peer = function.peers()[0];
    let mut session = Session::open(&function, &mut guest.memory)?;
    let buffer = Buffer::take(&mut guest.memory, PAGE_BYTES)?;
    let region = register(&mut session, buffer)?;
    let queues = Queues {
        flags: CqFlags::INTERRUPTS,
        ..Queues::default()
    };
    let memory = &mut guest.memory;
    let connection = Connection::open_with(&mut session, memory, peer, &region, queues)?;
    Ok(Sleeper {
        function,
        peer,
        session,
        connection,
        region,
    })
}
