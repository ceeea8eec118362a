//! `send` and `recv`: a file from one machine to another, by the job that bare-metal guests do.

use std::cell::RefCell;
use std::fs::File;
use std::io::{BufWriter, Read as _, Write as _};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use unimux_exchange::digest::Digest;
use unimux_exchange::job::{self, Job, Landing, Outcome, Progress, Source};
use unimux_exchange::latency::Latencies;
use unimux_exchange::letter::{Letter, Subject};
use unimux_exchange::table::Table;
use unimux_exchange::{Buffer, Connection};

use super::machine::{Machine, broken};
use super::{Own, POLLS, Waits};
use crate::output::{Output, bytes};

/// Memory that the peer may write small things to.
const ARENA_BYTES: u64 = 4096;
/// Samples of one kind that are kept.
const SAMPLES_MAX: usize = 1 << 20;
/// Files are read in pieces of so many bytes.
const PIECE_BYTES: usize = 1 << 20;

/// Bytes in a buffer of this machine.
struct InBuffer {
    buffer: Buffer,
    len_bytes: usize,
}

impl Source for InBuffer {
    fn digest(&self) -> Digest {
        Digest::of_buffer(self.buffer, self.len_bytes)
    }

    fn is_in(&self, other: Buffer) -> bool {
        let whole = self.len_bytes / 8;
        let rest = self.len_bytes % 8;
        let same = (0..whole).all(|word| self.buffer.load(word) == other.load(word));
        let mask = (1_u64 << (rest * 8)) - 1;
        same && (rest == 0 || (self.buffer.load(whole) ^ other.load(whole)) & mask == 0)
    }
}

/// Sends a file.
pub(crate) fn send(
    output: Output,
    (own, waits): (Own, Waits),
    (path, to): (&Path, &str),
    verify: bool,
    operations: usize,
) -> Result<()> {
    let what = || format!("cannot read {}", path.display());
    let mut file = File::open(path).with_context(what)?;
    let len = file.metadata().with_context(what)?.len();
    ensure!(
        len > 0,
        "{} is empty: there is nothing to send",
        path.display()
    );
    let mut machine = Machine::open_to_wait(own, waits.sleeps_after_ns(POLLS))?;
    let queues = machine.queues();
    let peer = machine.peer(to)?;
    let (buffer, region) = machine.buffer(len)?;
    load(&mut file, buffer, len).with_context(what)?;
    let back = match verify {
        true => Some(machine.buffer(len)?),
        false => None,
    };
    let (arena, arena_region) = machine.buffer(ARENA_BYTES)?;
    let len_bytes = usize::try_from(len)?;
    let file = job::File {
        source: InBuffer { buffer, len_bytes },
        len_bytes,
        region: &region,
        back: back.as_ref().map(|(buffer, region)| (*buffer, region)),
    };
    let (session, memory) = (&mut machine.session, &mut machine.arena);
    let mut connection =
        Connection::open_with(session, memory, peer, &arena_region, queues).map_err(broken)?;
    let bar = bar(output, len);
    let samples = operations.max(job::chunks(len_bytes) as usize);
    let mut latencies = latencies(samples);
    let the_job = Job {
        session,
        connection: &mut connection,
        arena,
        arena_region: &arena_region,
        latencies: &mut latencies,
    };
    let outcome = job::send(the_job, &file, operations, |progress| {
        follow(&bar, progress)
    });
    bar.finish_and_clear();
    let outcome = outcome.map_err(broken)?;
    job::told(session, &connection).map_err(broken)?;
    connection.close(session).map_err(broken)?;
    tell_sleeps(output, &machine);
    show(output, &outcome, "sent", path);
    Ok(())
}

/// Receives a file.
pub(crate) fn receive(
    output: Output,
    (own, waits): (Own, Waits),
    from: Option<&str>,
    path: Option<&Path>,
) -> Result<()> {
    let mut machine = Machine::open_to_wait(own, waits.sleeps_after_ns(POLLS))?;
    let queues = machine.queues();
    let from = from.map(|peer| machine.peer(peer)).transpose()?;
    // Before anybody waits for this machine: a file that cannot be written is known at once.
    let target = path
        .map(|path| File::create(path).with_context(|| format!("cannot write {}", path.display())))
        .transpose()?;
    let (arena, arena_region) = machine.buffer(ARENA_BYTES)?;
    output.say(&format!(
        "{} waits for a file as function {}",
        machine.info.own.name, machine.info.own.function
    ));
    let mut connection = match from {
        Some(peer) => {
            let (session, memory) = (&mut machine.session, &mut machine.arena);
            Connection::open_with(session, memory, peer, &arena_region, queues)
        }
        None => {
            let (peer, hello) = first_hello(&mut machine, own)?;
            let (session, memory) = (&mut machine.session, &mut machine.arena);
            Connection::answer(session, memory, peer, hello, &arena_region, queues)
        }
    }
    .map_err(broken)?;
    let announced = job::expect_file(&mut machine.session, &connection).map_err(broken)?;
    let name = machine.name_of(connection.peer);
    output.say(&format!("{name} sends {}", bytes(announced.file_bytes)));
    let file_bytes = usize::try_from(announced.file_bytes)?;
    let operations = usize::try_from(announced.operations)?;
    ensure!(file_bytes > 0, "{name} announces an empty file");
    let (buffer, region) = machine.buffer(announced.file_bytes)?;
    let landing = Landing {
        buffer,
        region: &region,
        file_bytes,
    };
    let mut latencies = latencies(operations);
    let the_job = Job {
        session: &mut machine.session,
        connection: &mut connection,
        arena,
        arena_region: &arena_region,
        latencies: &mut latencies,
    };
    let written = RefCell::new(Ok(()));
    let outcome = job::receive(the_job, &landing, operations, |progress| {
        if let (Progress::Ended, Some(target)) = (progress, &target) {
            *written.borrow_mut() = store(target, buffer, file_bytes);
        }
    });
    let outcome = outcome.map_err(broken)?;
    written.into_inner().context("cannot write the file")?;
    connection.close(&mut machine.session).map_err(broken)?;
    tell_sleeps(output, &machine);
    show(output, &outcome, "received", path.unwrap_or(Path::new("")));
    Ok(())
}

fn tell_sleeps(output: Output, machine: &Machine) {
    if let Some(sleeps) = machine.sleeps() {
        output.say(&super::slept(sleeps));
    }
}

fn first_hello(machine: &mut Machine, own: Own) -> Result<(u32, Letter)> {
    let began = Instant::now();
    loop {
        let hello = machine.session.poll_any(Subject::Hello).map_err(broken)?;
        if let Some(hello) = hello {
            return Ok(hello);
        }
        if began.elapsed() > Duration::from_secs(own.timeout) {
            bail!(
                "nobody sent a file for {} s: run `unimux send FILE --to {}` in another machine, or \
                 wait longer with --timeout",
                own.timeout,
                machine.info.own.name
            );
        }
        if machine.sleeps().is_some() {
            let waited_ns = u64::try_from(began.elapsed().as_nanos())?;
            machine.session.device.rest(waited_ns, u64::MAX);
        } else {
            sleep(Duration::from_micros(500));
        }
    }
}

fn load(file: &mut File, buffer: Buffer, len_bytes: u64) -> std::io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    let mut at = 0;
    while at < len_bytes {
        let want = (len_bytes - at).min(PIECE_BYTES as u64) as usize;
        file.read_exact(&mut piece[..want])?;
        buffer.write(at as usize, &piece[..want]);
        at += want as u64;
    }
    Ok(())
}

fn store(file: &File, buffer: Buffer, len_bytes: usize) -> std::io::Result<()> {
    let mut writer = BufWriter::with_capacity(PIECE_BYTES, file);
    let mut result = Ok(());
    buffer.for_bytes(len_bytes, |piece| {
        if result.is_ok() {
            result = writer.write_all(piece);
        }
    });
    result?;
    writer.flush()
}

fn latencies(samples: usize) -> Latencies {
    let room = vec![[0; 4]; samples.clamp(1, SAMPLES_MAX)];
    Latencies::new(Box::leak(room.into_boxed_slice()))
}

fn bar(output: Output, len_bytes: u64) -> ProgressBar {
    if output.is_json() {
        return ProgressBar::hidden();
    }
    let style = "{bar:40} {bytes}/{total_bytes} {bytes_per_sec}";
    ProgressBar::new(len_bytes)
        .with_style(ProgressStyle::with_template(style).unwrap_or(ProgressStyle::default_bar()))
}

fn follow(bar: &ProgressBar, progress: Progress) {
    match progress {
        Progress::Moved(bytes) => bar.set_position(bytes),
        Progress::Begun | Progress::Ended => {}
    }
}

fn show(output: Output, outcome: &Outcome, done: &str, path: &Path) {
    let rows: Vec<_> = outcome
        .rows
        .iter()
        .map(|row| {
            json!({
                "operation": row.operation,
                "count": row.operations,
                "bytes": row.bytes,
                "elapsed_ns": row.elapsed_ns,
            })
        })
        .collect();
    let value = json!({
        "file": path,
        "bytes": outcome.file_bytes,
        "sha256": outcome.digest.to_string(),
        "rows": rows,
    });
    output.show(&value, || {
        format!(
            "{}\n  file     {} bytes {done}\n  SHA-256  {}",
            Table(&outcome.rows),
            outcome.file_bytes,
            outcome.digest
        )
    });
}
