//! The main job: a file goes from guest to guest through the engine, and back, byte-exact.
//!
//! It does not measure costs (`bench` does): its times include the emulator's moods. What the two
//! guests do is `unimux_exchange::job`, so the other one may as well be Linux (`unimux send`).
//!
//! Arguments: `role=a|b` (a has the file); for a, `operations=N` small operations of each kind
//! (default 2000); `patience=SECONDS` to wait for the peer. The peer is the first of the device
//! tree. Without one, or with `peer=any`, role b takes whoever says hello: a tenant, whose number only its
//! host knows. `core=shared` says that others have turns on the core: what interrupts it is theirs then, and
//! of the exits only those count that the guest itself brings about.
#![no_std]
#![no_main]

mod report;

use unimux_driver::{Access, MemoryRegion};
use unimux_guest_rt::memory::PAGE_BYTES;
use unimux_guest_rt::{Guest, entry, exits, println};
use unimux_programs::connection::{Queues, register};
use unimux_programs::failure::{Failure, ensure};
use unimux_programs::job::{self, File, Job, Landing, Outcome, Progress};
use unimux_programs::letter::Subject;
use unimux_programs::{Buffer, Connection, Session, latencies};

use report::Report;

entry!(main);

/// Small operations of each kind, unless the arguments say otherwise.
const OPERATIONS: usize = 2000;
const NS_PER_S: u64 = 1_000_000_000;
/// Samples that are kept of one kind, however many operations the peer asks for.
const SAMPLES_MAX: usize = 1 << 16;

/// What both roles begin with.
struct Begun {
    guest: Guest,
    session: Session,
    connection: Connection,
    arena: Buffer,
    arena_region: MemoryRegion,
}

impl Begun {
    fn new(mut guest: Guest) -> Result<Self, Failure> {
        let function = guest.expect_function();
        let mut session = Session::open(&function, &mut guest.memory)?;
        if let Some(seconds) = guest.argument("patience").and_then(|it| it.parse().ok()) {
            session.patience_ns = u64::saturating_mul(seconds, NS_PER_S);
        }
        let arena = Buffer::take(&mut guest.memory, PAGE_BYTES)?;
        let arena_region = register(&mut session, arena)?;
        let takes_any = guest.argument("peer") == Some("any");
        let memory = &mut guest.memory;
        let connection = match function.peers().first().filter(|_| !takes_any) {
            Some(&peer) => Connection::open(&mut session, memory, peer, &arena_region)?,
            None => {
                let (peer, hello) = session.wait_any(Subject::Hello)?;
                Connection::answer(
                    &mut session,
                    memory,
                    peer,
                    hello,
                    &arena_region,
                    Queues::default(),
                )?
            }
        };
        Ok(Self {
            guest,
            session,
            connection,
            arena,
            arena_region,
        })
    }

    /// Has `role` do the job with room for `samples`, and counts the guest's exits meanwhile.
    fn carry_out(
        &mut self,
        samples: usize,
        role: impl FnOnce(
            Job<'_, unimux_programs::Machine>,
            &mut dyn FnMut(Progress),
        ) -> Result<Outcome, Failure>,
        digest_of: &'static str,
    ) -> Result<Report, Failure> {
        let mut latencies = latencies(&mut self.guest.memory, samples.clamp(1, SAMPLES_MAX));
        let function = self.guest.expect_function();
        let mut before = exits::snapshot(&function);
        let mut after = before;
        let job = Job {
            session: &mut self.session,
            connection: &mut self.connection,
            arena: self.arena,
            arena_region: &self.arena_region,
            latencies: &mut latencies,
        };
        let outcome = role(job, &mut |progress| match progress {
            Progress::Begun => before = exits::snapshot(&function),
            Progress::Ended => after = exits::snapshot(&function),
            Progress::Moved(_) => {}
        })?;
        let exits = after.since(before);
        let is_shared = self.guest.argument("core") == Some("shared");
        Ok(Report {
            outcome,
            exits: if is_shared {
                exits.by_instructions()
            } else {
                exits
            },
            digest_of,
            counters: self.session.device.query_counters()?,
        })
    }
}

/// Role a: has the file, and reads it back.
fn write(mut begun: Begun) -> Result<i32, Failure> {
    let guest = &mut begun.guest;
    let operations = guest.argument("operations").and_then(|it| it.parse().ok());
    let operations = operations.unwrap_or(OPERATIONS);
    let file: &'static [u8] = guest.take_payload();
    ensure(!file.is_empty(), "the scenario gives role a no payload")?;
    let ipa = file.as_ptr().addr() as u64;
    let (pd, device) = (begun.session.pd, &mut begun.session.device);
    let region = device.register_range(pd, ipa, file.len() as u64, ipa, Access::empty())?;
    let back = Buffer::take(&mut guest.memory, file.len())?;
    let back_region = register(&mut begun.session, back)?;
    let file = File {
        source: file,
        len_bytes: file.len(),
        region: &region,
        back: Some((back, &back_region)),
    };
    let samples = operations.max(job::chunks(file.len_bytes) as usize);
    let report = begun.carry_out(
        samples,
        |job, progress| job::send(job, &file, operations, progress),
        "of the file; the peer computed the same, and every byte came back",
    )?;
    let code = report.conclude();
    job::told(&mut begun.session, &begun.connection)?;
    Ok(code)
}

/// Role b: makes room for the file that role a announces.
fn read(mut begun: Begun) -> Result<i32, Failure> {
    let announced = job::expect_file(&mut begun.session, &begun.connection)?;
    let file_bytes = announced.file_bytes as usize;
    let operations = announced.operations as usize;
    let buffer = Buffer::take(&mut begun.guest.memory, file_bytes)?;
    let region = register(&mut begun.session, buffer)?;
    let landing = Landing {
        buffer,
        region: &region,
        file_bytes,
    };
    let report = begun.carry_out(
        operations,
        |job, progress| job::receive(job, &landing, operations, progress),
        "of what arrived here",
    )?;
    Ok(report.conclude())
}

fn main(guest: Guest) -> i32 {
    let role = guest.argument("role");
    let done = Begun::new(guest).and_then(|begun| match role {
        Some("a") => write(begun),
        Some("b") => read(begun),
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
