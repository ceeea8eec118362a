//! The side that answers: brings memory and receives, and waits for letters.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;
use unimux_driver::{ArmKind, CqFlags, MemoryRegion, Platform as _, RecvWr};
use unimux_exchange::connection::Queues;
use unimux_exchange::letter::{Letter, Subject};
use unimux_exchange::{Buffer, Connection, task};
use unimux_linux::Doorbell;

use super::machine::{Machine, broken};
use super::{Own, POLLS, Waits};
use crate::output::Output;

/// Between two looks for letters while nothing is expected soon.
const NAP: Duration = Duration::from_micros(500);
/// After the last letter or completion a server polls for so long before it naps.
const AWAKE: Duration = Duration::from_millis(20);
/// The largest buffer that a client may ask for.
const BUFFER_MAX: u64 = 1 << 30;
/// As many receives as perftest posts: while this machine's core does something else, a client that
/// sends has so many requests to go on with.
const QUEUES: Queues = Queues {
    flags: CqFlags::empty(),
    sends: 32,
    receives: 512,
};

/// What a server does while nobody asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It polls.
    Polls,
    /// It polls for a while, then looks now and then.
    Naps,
    /// It polls for a moment, then sleeps until it is woken.
    Sleeps,
}

impl Manner {
    pub(crate) const fn of(poll: bool, waits: Waits) -> Self {
        match (poll, waits.sleep) {
            (true, _) => Self::Polls,
            (false, true) => Self::Sleeps,
            (false, false) => Self::Naps,
        }
    }
}

/// Answers peers until interrupted, or until the first one is served.
pub(crate) fn serve(output: Output, own: Own, once: bool, manner: Manner) -> Result<()> {
    let waits = Waits {
        sleep: manner == Manner::Sleeps,
    };
    let mut machine = Machine::open_to_wait(own, waits.sleeps_after_ns(POLLS))?;
    output.say(&format!(
        "{} serves as function {}",
        machine.info.own.name, machine.info.own.function
    ));
    loop {
        let mut idle = Idle::new(manner);
        let (peer, hello) = loop {
            answer_pings(&mut machine)?;
            let hello = machine.session.poll_any(Subject::Hello).map_err(broken)?;
            match hello {
                Some(it) => break it,
                None => idle.rest(&mut machine, None),
            }
        };
        let name = machine.name_of(peer);
        let mark = machine.arena.mark();
        output.say(&format!("{name} connects"));
        let visit = Visit::begin(&mut machine, peer, hello);
        match visit.and_then(|it| it.serve(&mut machine, manner)) {
            Ok(requests) => output.say(&format!("{name} is done, {requests} receives completed")),
            Err(error) => output.say(&format!("{name}: {error:#}")),
        }
        if let Some(sleeps) = machine.sleeps() {
            output.say(&super::slept(sleeps));
        }
        machine.session.forget(peer, hello);
        machine.arena.rewind(mark)?;
        if once {
            return Ok(());
        }
    }
}

/// Answers every ping that has come.
fn answer_pings(machine: &mut Machine) -> Result<()> {
    while let Some((peer, letter)) = machine.session.poll_any(Subject::Task).map_err(broken)? {
        // A peer that went away meanwhile needs no answer.
        let _ = machine
            .session
            .device
            .message(peer, Letter::done(letter.number(), letter.value()).0);
    }
    Ok(())
}

/// Rests longer the longer nothing happens.
struct Idle {
    since: Instant,
    manner: Manner,
}

impl Idle {
    fn new(manner: Manner) -> Self {
        Self {
            since: Instant::now(),
            manner,
        }
    }

    /// Whether nothing has happened for so long that it is not waited for busily.
    fn is_resting(&self) -> bool {
        match self.manner {
            Manner::Polls => false,
            Manner::Naps => self.since.elapsed() >= AWAKE,
            Manner::Sleeps => self.since.elapsed() >= POLLS,
        }
    }

    /// Rests, until something comes for the machine, or completes on the connection.
    fn rest(&mut self, machine: &mut Machine, connection: Option<&mut Connection<Doorbell>>) {
        let device = &mut machine.session.device;
        if !self.is_resting() {
            device.platform().relax();
        } else if self.manner == Manner::Naps {
            sleep(NAP);
        } else {
            let completed = connection.is_some_and(|it| it.arm(ArmKind::Next));
            if !device.arm_events() && !completed {
                device.platform().sleep(u64::MAX);
            }
        }
    }

    fn something_happened(&mut self) {
        self.since = Instant::now();
    }
}

/// One client, from its hello to its farewell.
struct Visit {
    connection: Connection<Doorbell>,
    buffer: Buffer,
    region: MemoryRegion,
    hello: Letter,
    receives: u64,
}

impl Visit {
    fn begin(machine: &mut Machine, peer: u32, hello: Letter) -> Result<Self> {
        let len_bytes = hello.len_bytes().clamp(4096, BUFFER_MAX);
        let (buffer, region) = machine.buffer(len_bytes)?;
        let queues = Queues {
            flags: machine.cq_flags(),
            ..QUEUES
        };
        let (session, arena) = (&mut machine.session, &mut machine.arena);
        let connection =
            Connection::answer(session, arena, peer, hello, &region, queues).map_err(broken)?;
        Ok(Self {
            connection,
            buffer,
            region,
            hello,
            receives: 0,
        })
    }

    /// Serves until the client says farewell, or another one says hello: then this one is gone.
    fn serve(mut self, machine: &mut Machine, manner: Manner) -> Result<u64> {
        let peer = self.connection.peer;
        let mut idle = Idle::new(manner);
        let mut receive_bytes = None;
        let result = loop {
            if let Some(len_bytes) = receive_bytes
                && self.keep_receiving(len_bytes)?
            {
                idle.something_happened();
            }
            if let Some(letter) = machine.session.poll(peer, Subject::Task).map_err(broken)? {
                idle.something_happened();
                if letter.number() == task::RECEIVE {
                    receive_bytes = Some(letter.value().clamp(1, self.buffer.len_bytes()) as u32);
                    self.keep_receiving(receive_bytes.unwrap_or(1))?;
                }
                let done = Letter::done(letter.number(), letter.value());
                machine.session.send(peer, done).map_err(broken)?;
            }
            if let Some(letter) = machine
                .session
                .poll(peer, Subject::Reached)
                .map_err(broken)?
            {
                idle.something_happened();
                match letter.number() {
                    task::BYE => break Ok(self.receives),
                    number => {
                        let reached = Letter::reached(number);
                        machine.session.send(peer, reached).map_err(broken)?;
                    }
                }
            }
            if idle.is_resting() {
                // Only now and then: a client that was killed does not say farewell, and its next
                // hello is for the loop of all.
                if machine.session.has_other_hello(peer, self.hello) {
                    break Err(anyhow::anyhow!("gone without a farewell"));
                }
            }
            idle.rest(machine, Some(&mut self.connection));
        };
        self.connection
            .close(&mut machine.session)
            .map_err(broken)?;
        let session = &mut machine.session;
        session.device.deregister(self.region).map_err(broken)?;
        result
    }

    /// Takes completions and fills the receive queue again; whether there were any.
    fn keep_receiving(&mut self, len_bytes: u32) -> Result<bool> {
        let mut any = false;
        while let Some(completion) = self.connection.poll().map_err(broken)? {
            unimux_exchange::failure::succeeded(completion).map_err(broken)?;
            self.receives += 1;
            any = true;
        }
        let receive = RecvWr::new(self.region.segment(0, len_bytes));
        let qp = &mut self.connection.qp;
        for _ in 0..qp.recv_room() {
            qp.post_recv(&receive).map_err(broken)?;
        }
        Ok(any)
    }
}
