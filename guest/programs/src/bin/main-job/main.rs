//! The main job: a file goes from guest to guest through the engine, and back, byte-exact.
//!
//! It does not measure costs (`bench` does): its times include the emulator's moods.
//!
//! ```text
//!  role=a  (writer.rs)                           role=b  (reader.rs)
//!  has the file in memory
//!  WRITE, WRITE … WRITE with immediate ───────▶  SHA-256 of what arrived
//!  compares with its own          ◀─────── SEND  the digest
//!  READs it back, compares every byte
//!  8-byte WRITEs, FETCH-ADDs      ◀───────────▶  8-byte WRITEs, FETCH-ADDs  (hammer.rs)
//!  table, exit code                              table, exit code
//! ```
//!
//! Arguments: `role=a|b`, and `operations=N` small operations of each kind (default 2000).
#![no_std]
#![no_main]

mod bulk;
mod hammer;
mod reader;
mod report;
mod writer;

use unimux_driver::MemoryRegion;
use unimux_guest_rt::memory::PAGE_BYTES;
use unimux_guest_rt::{Guest, entry, println};
use unimux_programs::connection::register;
use unimux_programs::failure::Failure;
use unimux_programs::{Buffer, Connection, Session};

entry!(main);

/// Small operations of each kind, unless the arguments say otherwise.
const OPERATIONS: usize = 2000;

/// Points at which both guests meet. Between the first and the last nothing is printed.
mod point {
    pub(crate) const READY: u64 = 1;
    pub(crate) const HAMMER: u64 = 2;
    pub(crate) const HAMMERED: u64 = 3;
    /// The writer has shown its results.
    pub(crate) const TOLD: u64 = 4;
}

/// What both roles begin with.
struct Job {
    guest: Guest,
    session: Session,
    connection: Connection,
    /// A page that the peer may write and do atomics in; [`hammer`] says which word is what.
    arena: Buffer,
    arena_region: MemoryRegion,
    operations: usize,
}

impl Job {
    fn begin(mut guest: Guest) -> Result<Self, Failure> {
        let function = guest.expect_function();
        let peer = *function
            .peers()
            .first()
            .ok_or(Failure::Broken("there is no peer"))?;
        let operations = guest.argument("operations").and_then(|it| it.parse().ok());
        let mut session = Session::open(&function, &mut guest.memory)?;
        let arena = Buffer::take(&mut guest.memory, PAGE_BYTES);
        let arena_region = register(&mut session, arena)?;
        let connection = Connection::open(&mut session, &mut guest.memory, peer, &arena_region)?;
        Ok(Self {
            guest,
            session,
            connection,
            arena,
            arena_region,
            operations: operations.unwrap_or(OPERATIONS),
        })
    }
}

fn main(guest: Guest) -> i32 {
    let role = guest.argument("role");
    let done = Job::begin(guest).and_then(|job| match role {
        Some("a") => writer::run(job),
        Some("b") => reader::run(job),
        _ => Err(Failure::Broken("the arguments name no role a or b")),
    });
    match done {
        Ok(code) => code,
        Err(failure) => {
            println!("the job failed: {failure}");
            1
        }
    }
}
