//! The agent: owns the physical function, answers `unimux vm`, watches QEMU, and wakes tenants.
//!
//! It holds no state that the files and the firmware do not have: killed at any point, the next
//! one goes on.

use std::fs;
use std::os::unix::net::UnixListener;
use std::time::Instant;

use anyhow::{Context as _, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use unimux_driver::Event;
use unimux_linux::info_page::Named;

use super::lifecycle::{Held, Lifecycle};
use super::pace::SLOW;
use super::protocol::socket;
use super::sleepers::Sleepers;
use super::{AgentOptions, clients, qemu, region};

/// Events taken in one go: a tenant that sleeps and wakes without end keeps nobody waiting.
const EVENTS: usize = 64;
/// So many in one go, and the firmware may have had no room for more.
const EVENTS_MANY: usize = 16;

/// Runs until killed.
pub(super) fn run(options: &AgentOptions) -> Result<()> {
    fs::create_dir_all(&options.run)
        .with_context(|| format!("cannot make {}", options.run.display()))?;
    let listener = clients::listen(&options.run)?;
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
            sleepers.hear(&mut lifecycle);
            watched = Some(Instant::now());
        }
        let functions = take_events(&mut lifecycle);
        sleepers.wake(&mut lifecycle, functions);
        let ready = wait(&listener, &lifecycle, &sleepers)?;
        if ready.client {
            clients::answer(&mut lifecycle, &listener);
        }
        if ready.tenant {
            sleepers.hear(&mut lifecycle);
        }
        if ready.qemu_ended {
            watched = None;
        }
    }
}

/// What the agent has not to wait for any longer.
#[derive(Clone, Copy, Debug)]
struct Ready {
    client: bool,
    tenant: bool,
    qemu_ended: bool,
}

/// Waits for a client, for the end of a QEMU, or until it is time to look for events: between two
/// looks there is one system call. While nobody sleeps, also for who is about to.
fn wait(listener: &UnixListener, lifecycle: &Lifecycle, sleepers: &Sleepers) -> Result<Ready> {
    let held = || lifecycle.held.values();
    let mut fds = vec![PollFd::new(listener, PollFlags::IN)];
    let running = held().filter_map(|it| it.qemu.as_ref());
    fds.extend(running.map(|it| PollFd::new(&it.pidfd, PollFlags::IN)));
    let lines_at = fds.len();
    if sleepers.is_slow() {
        let lines = held().filter_map(|it| it.wake.as_ref());
        fds.extend(lines.map(|it| PollFd::new(it, PollFlags::IN)));
    }
    let interval = Timespec::try_from(sleepers.interval())?;
    match poll(&mut fds, Some(&interval)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let any = |fds: &[PollFd<'_>]| fds.iter().any(|it| !it.revents().is_empty());
    Ok(Ready {
        client: any(&fds[..1]),
        qemu_ended: any(&fds[1..lines_at]),
        tenant: any(&fds[lines_at..]),
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
