//! The agent: owns the physical function, answers `unimux vm`, watches QEMU, and wakes tenants.
//!
//! It holds no state that the files and the firmware do not have: killed at any point, the next
//! one goes on.

use std::fs;
use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::{Value, json};
use unimux_driver::{Counter, Event};
use unimux_linux::info_page::Named;

use super::lifecycle::{Held, Lifecycle};
use super::pace::SLOW;
use super::protocol::{LINE_TIMEOUT, Report, Request, limits, socket};
use super::sleepers::Sleepers;
use super::{AgentOptions, qemu, region};

/// Events taken in one go: a tenant that sleeps and wakes without end keeps nobody waiting.
const EVENTS: usize = 64;
/// So many in one go, and the firmware may have had no room for more.
const EVENTS_MANY: usize = 16;

/// Runs until killed.
pub(super) fn run(options: &AgentOptions) -> Result<()> {
    fs::create_dir_all(&options.run)
        .with_context(|| format!("cannot make {}", options.run.display()))?;
    let listener = listen(options)?;
    let physical = region::attach(options.region)?;
    let peers = options.peers.iter().map(|(name, function)| Named {
        function: *function,
        name: name.clone(),
    });
    let mut lifecycle = Lifecycle::take_over(physical, &options.run, peers.collect())?;
    eprintln!("unimux agent: ready at {}", socket(&options.run).display());
    let mut sleepers = Sleepers::default();
    let mut watched: Option<Instant> = None;
    loop {
        if watched.is_none_or(|it| it.elapsed() >= SLOW) {
            watch(&mut lifecycle);
            sleepers.connect(&mut lifecycle);
            watched = Some(Instant::now());
        }
        while let Ok((stream, _)) = listener.accept() {
            if let Err(error) = answer(&mut lifecycle, stream) {
                eprintln!("unimux agent: a client broke off: {error:#}");
            }
        }
        sleepers.hear(&mut lifecycle);
        let functions = take_events(&mut lifecycle);
        sleepers.wake(&mut lifecycle, functions);
        if wait(&listener, &lifecycle, &sleepers)? == Waited::QemuEnded {
            watched = None;
        }
    }
}

/// Listens, unless another agent does.
fn listen(options: &AgentOptions) -> Result<UnixListener> {
    let path = socket(&options.run);
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

/// Why the agent does not wait any longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waited {
    QemuEnded,
    Otherwise,
}

/// Waits for a client, for the end of a QEMU, or until it is time to look for events. While nobody
/// sleeps, also for one who is about to.
fn wait(listener: &UnixListener, lifecycle: &Lifecycle, sleepers: &Sleepers) -> Result<Waited> {
    let held = || lifecycle.held.values();
    let mut fds: Vec<_> = held()
        .filter_map(|it| it.qemu.as_ref())
        .map(|it| PollFd::new(&it.pidfd, PollFlags::IN))
        .collect();
    let running = fds.len();
    fds.push(PollFd::new(listener, PollFlags::IN));
    if sleepers.is_slow() {
        let lines = held().filter_map(|it| it.wake.as_ref());
        fds.extend(lines.map(|it| PollFd::new(it, PollFlags::IN)));
    }
    let interval = Timespec::try_from(sleepers.interval())?;
    match poll(&mut fds, Some(&interval)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let ended = fds[..running].iter().any(|it| !it.revents().is_empty());
    Ok(if ended {
        Waited::QemuEnded
    } else {
        Waited::Otherwise
    })
}

fn has_ended(held: &Held) -> bool {
    held.qemu.as_ref().is_some_and(|qemu| {
        let mut fds = [PollFd::new(&qemu.pidfd, PollFlags::IN)];
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        poll(&mut fds, Some(&now)).is_ok_and(|ready| ready > 0)
    })
}

/// Takes back the functions of machines whose QEMU has ended, and finds those that have begun.
///
/// The agent has their memory mapped: it goes to nobody else, however long this takes.
fn watch(lifecycle: &mut Lifecycle) {
    let ended = lifecycle.held.values().filter(|held| has_ended(held));
    let ended: Vec<String> = ended.map(|held| held.vm.name.clone()).collect();
    for name in ended {
        match lifecycle.reset(&name) {
            Ok(()) => {
                eprintln!("unimux agent: QEMU of {name} has ended, its function is taken back");
                if let Some(held) = lifecycle.held.get_mut(&name) {
                    held.qemu = None;
                }
            }
            // The next tick tries again.
            Err(error) => eprintln!("unimux agent: cannot take back {name}: {error:#}"),
        }
    }
    for held in lifecycle.held.values_mut().filter(|it| it.qemu.is_none()) {
        held.qemu = qemu::find(&held.paths.ram);
        if let Some(qemu) = &held.qemu {
            eprintln!(
                "unimux agent: QEMU of {} is process {}",
                held.vm.name, qemu.pid
            );
        }
    }
}

/// Takes what the firmware reports, and logs it; gives the functions of tenants that should be
/// woken, a bit for each.
fn take_events(lifecycle: &mut Lifecycle) -> u64 {
    let mut functions = 0;
    for taken in 0..EVENTS {
        match lifecycle.event() {
            Ok(Some(Event::TenantCompletions { functions: these })) => functions |= these,
            Ok(Some(Event::TenantStopped {
                function, reason, ..
            })) => eprintln!(
                "unimux agent: function {function} is stopped, {reason:?}: `unimux vm reset NAME` \
                 opens it again"
            ),
            Ok(Some(event)) => eprintln!("unimux agent: {event:?}"),
            Ok(None) if taken >= EVENTS_MANY => {
                lifecycle.make_tell();
                break;
            }
            Ok(None) => break,
            Err(error) => {
                eprintln!("unimux agent: {error:#}");
                break;
            }
        }
    }
    functions
}

/// Reads one request, carries it out, and writes one line.
fn answer(lifecycle: &mut Lifecycle, mut stream: UnixStream) -> Result<()> {
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
