//! The job that guests do on every platform, done by two threads: what arrives is what was sent.

use unimux_driver::{Access, Device, MemoryRegion};
use unimux_engine::cpu::CpuEngine;
use unimux_exchange::connection::{Queues, register};
use unimux_exchange::digest::Digest;
use unimux_exchange::failure::Failure;
use unimux_exchange::job::{self, File, Job, Landing, Outcome};
use unimux_exchange::latency::Latencies;
use unimux_exchange::letter::{Letter, Subject};
use unimux_exchange::{Buffer, Connection, Session};
use unimux_firmware::{Firmware, Quota};
use unimux_host_tests::{FirmwareThread, Guest, Ram, Threaded, new_guest, pattern};

/// Not a multiple of anything, and more than two requests.
const FILE_BYTES: usize = (2 << 20) + 12_345;
const OPERATIONS: usize = 200;

struct Party {
    session: Session<Threaded>,
    ram: Ram,
    arena: Buffer,
    arena_region: MemoryRegion,
}

impl Party {
    fn new(guest: &Guest) -> Self {
        let page = guest.ram.take(4096);
        let device =
            Device::attach(Threaded::new(guest.doorbell), page).expect("the firmware agrees");
        let mut session = Session::of_device(device).expect("the firmware agrees");
        let mut ram = guest.ram.clone();
        let arena = Buffer::take(&mut ram, 4096).expect("room");
        let arena_region = register(&mut session, arena).expect("the firmware agrees");
        Self {
            session,
            ram,
            arena,
            arena_region,
        }
    }

    fn job<'a>(
        &'a mut self,
        connection: &'a mut Connection<Threaded>,
        latencies: &'a mut Latencies,
    ) -> Job<'a, Threaded> {
        Job {
            session: &mut self.session,
            connection,
            arena: self.arena,
            arena_region: &self.arena_region,
            latencies,
        }
    }
}

fn latencies() -> Latencies {
    Latencies::new(vec![[0; 4]; OPERATIONS].leak())
}

fn write(mut it: Party, to: u32, bytes: &[u8]) -> Result<Outcome, Failure> {
    let buffer = Buffer::take(&mut it.ram, bytes.len()).expect("room");
    buffer.write(0, bytes);
    let (ipa, len) = (buffer.address(), buffer.len_bytes());
    let (pd, device) = (it.session.pd, &mut it.session.device);
    let region = device
        .register_range(pd, ipa, len, ipa, Access::empty())
        .expect("the firmware agrees");
    let back = Buffer::take(&mut it.ram, bytes.len()).expect("room");
    let back_region = register(&mut it.session, back).expect("the firmware agrees");
    let mut connection = Connection::open(&mut it.session, &mut it.ram, to, &it.arena_region)
        .expect("the firmware agrees");
    let file = File {
        source: bytes,
        len_bytes: bytes.len(),
        region: &region,
        back: Some((back, &back_region)),
    };
    let mut latencies = latencies();
    let job = it.job(&mut connection, &mut latencies);
    let outcome = job::send(job, &file, OPERATIONS, |_| {})?;
    job::told(&mut it.session, &connection)?;
    Ok(outcome)
}

/// `from` is known to a guest whose scenario names it; a server takes whoever says hello.
fn read(mut it: Party, from: Option<u32>) -> Outcome {
    let (session, ram) = (&mut it.session, &mut it.ram);
    let mut connection = match from {
        Some(peer) => {
            Connection::open(session, ram, peer, &it.arena_region).expect("the firmware agrees")
        }
        None => {
            let hello = session.wait_any(Subject::Hello);
            let (peer, hello) = hello.expect("the firmware agrees");
            Connection::answer(
                session,
                ram,
                peer,
                hello,
                &it.arena_region,
                Queues::default(),
            )
            .expect("the firmware agrees")
        }
    };
    let announced = job::expect_file(session, &connection).expect("the firmware agrees");
    assert_eq!(announced.operations, OPERATIONS as u64);
    let file_bytes = announced.file_bytes as usize;
    let buffer = Buffer::take(ram, file_bytes).expect("room");
    let region = register(session, buffer).expect("the firmware agrees");
    let landing = Landing {
        buffer,
        region: &region,
        file_bytes,
    };
    let mut latencies = latencies();
    let job = it.job(&mut connection, &mut latencies);
    job::receive(job, &landing, OPERATIONS, |_| {}).expect("the firmware agrees")
}

fn two() -> (FirmwareThread, [Party; 2]) {
    let mut firmware = Firmware::new(CpuEngine, [3; 32]);
    let guests: [Guest; 2] = std::array::from_fn(|_| {
        let (guest, config) = new_guest(8 << 20, Quota::default());
        firmware.add_function(config).expect("the firmware agrees");
        guest
    });
    let core = FirmwareThread::start(firmware, &guests);
    (core, guests.map(|guest| Party::new(&guest)))
}

fn exchange(reader_knows_writer: bool) {
    let (core, [writer, reader]) = two();
    let bytes = pattern(7, FILE_BYTES);
    let (sent, received) = std::thread::scope(|scope| {
        let sent = scope.spawn(|| write(writer, 1, &bytes));
        let received = scope.spawn(|| read(reader, reader_knows_writer.then_some(0)));
        (
            sent.join().expect("no panic").expect("the firmware agrees"),
            received.join().expect("no panic"),
        )
    });
    let _: Firmware<CpuEngine> = core.stop();
    assert_eq!(sent.digest, Digest::of_bytes(&bytes));
    assert_eq!(received.digest, sent.digest);
    assert_eq!(received.file_bytes, FILE_BYTES);
    assert_eq!(sent.rows.len(), 5, "there, back, and three kinds of small");
}

#[test]
fn between_guests_that_know_each_other() {
    exchange(true);
}

#[test]
fn to_a_guest_that_waits_for_anybody() {
    exchange(false);
}

#[test]
fn a_peer_that_serves_other_tasks_is_told_apart() {
    let (core, [writer, mut server]) = two();
    let sent = std::thread::scope(|scope| {
        let sent = scope.spawn(|| write(writer, 1, &[1, 2, 3]));
        let (session, ram) = (&mut server.session, &mut server.ram);
        let _connection = Connection::open(session, ram, 0, &server.arena_region);
        let task = session.wait(0, Subject::Task).expect("it is announced");
        let done = Letter::done(task.number(), task.value());
        session.send(0, done).expect("there is room");
        sent.join().expect("no panic")
    });
    let _: Firmware<CpuEngine> = core.stop();
    assert!(matches!(sent, Err(Failure::Broken(_))), "{sent:?}");
}
