//! The agent's clients: `unimux vm`, which asks it for something and waits.

use std::fs;
use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use unimux_driver::Counter;

use super::lifecycle::Lifecycle;
use super::protocol::{LINE_TIMEOUT, Report, Request, limits, socket};

/// Listens, unless another agent does.
pub(super) fn listen(run: &Path) -> Result<UnixListener> {
    let path = socket(run);
    if UnixStream::connect(&path).is_ok() {
        bail!("another agent answers at {}", path.display());
    }
    match fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove {}", path.display()));
        }
        _ => {}
    }
    let listener = UnixListener::bind(&path)
        .with_context(|| format!("cannot listen at {}", path.display()))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Answers every client that is there.
pub(super) fn answer(lifecycle: &mut Lifecycle, listener: &UnixListener) {
    while let Ok((stream, _)) = listener.accept() {
        if let Err(error) = answer_one(lifecycle, stream) {
            eprintln!("unimux agent: a client broke off: {error:#}");
        }
    }
}

/// Reads one request, carries it out, and writes one line.
fn answer_one(lifecycle: &mut Lifecycle, mut stream: UnixStream) -> Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(LINE_TIMEOUT.min(Duration::from_secs(2))))?;
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line)?;
    if line.is_empty() {
        // Another agent looked whether this one is there.
        return Ok(());
    }
    let reply: Result<Value, String> = serde_json::from_str(&line)
        .map_err(Into::into)
        .and_then(|request| carry_out(lifecycle, request))
        .map_err(|error: anyhow::Error| format!("{error:#}"));
    writeln!(stream, "{}", serde_json::to_string(&reply)?)?;
    Ok(())
}

fn carry_out(lifecycle: &mut Lifecycle, request: Request) -> Result<Value> {
    match request {
        Request::Create {
            name,
            memory_bytes,
            partition,
            weight,
        } => {
            lifecycle.create(&name, memory_bytes, partition, weight)?;
            reports(lifecycle, Some(&name))
        }
        Request::List => reports(lifecycle, None),
        Request::Reset { name } => {
            lifecycle.reset(&name)?;
            reports(lifecycle, Some(&name))
        }
        Request::Limit {
            name,
            weight,
            bytes_per_second,
            requests_per_second,
        } => {
            let limits = limits(bytes_per_second, requests_per_second);
            lifecycle.limit(&name, weight, limits)?;
            reports(lifecycle, Some(&name))
        }
        Request::Destroy { name, force } => {
            lifecycle.destroy(&name, force)?;
            Ok(json!([]))
        }
    }
}

/// What is known of all machines, or of one.
fn reports(lifecycle: &mut Lifecycle, name: Option<&str>) -> Result<Value> {
    let names: Vec<String> = match name {
        Some(name) => vec![name.to_owned()],
        None => lifecycle.held.keys().cloned().collect(),
    };
    let mut reports = Vec::new();
    for name in names {
        let held = &lifecycle.held[&name];
        let (vm, paths) = (held.vm.clone(), held.paths.clone());
        let qemu = held.qemu.as_ref().map(|it| it.pid);
        let function = vm.function.context("there is no function")?;
        let told = lifecycle.query(function)?;
        reports.push(Report {
            vm,
            state: format!("{:?}", told.record.state).to_lowercase(),
            qemu,
            ram: paths.ram,
            doorbell: paths.doorbell,
            wake: paths.wake,
            window_bytes: told.record.window_bytes,
            objects_in_use: told.record.objects_in_use,
            attaches: told.record.attaches,
            bytes_per_second: told.limits.bytes_per_second,
            requests_per_second: told.limits.requests_per_second,
            counters: Counter::ALL.map(|it| told.counters.get(it)).to_vec(),
        });
    }
    Ok(serde_json::to_value(reports)?)
}
