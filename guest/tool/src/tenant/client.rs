//! The side that asks: pings, and connections to a peer that serves.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use unimux_driver::{Error, MemoryRegion, Platform as _};
use unimux_exchange::letter::{Letter, Subject};
use unimux_exchange::{Buffer, Connection, Session, task};
use unimux_linux::Doorbell;

use super::machine::{Machine, broken};
use super::{Own, Waits};
use crate::output::Output;

/// After how long a ping is sent again.
const PING_AGAIN_NS: u64 = 1_000_000_000;

/// Asks a peer whether it is there.
pub(crate) fn ping(
    output: Output,
    (own, waits): (Own, Waits),
    peer: &str,
    count: u64,
) -> Result<()> {
    let mut machine = Machine::open_to_wait(own, waits.sleeps_after_ns(Duration::ZERO))?;
    let to = machine.peer(peer)?;
    let name = machine.name_of(to);
    let mut times = Vec::new();
    for number in 0..count.max(1) {
        if number > 0 {
            sleep(Duration::from_millis(200));
        }
        let session = &mut machine.session;
        let sent = until_answered(session, to, number).map_err(broken)?;
        let ns = session.device.platform().now_ns() - sent;
        output.say(&format!(
            "{name}: answer {number} after {:.1} us",
            ns as f64 / 1e3
        ));
        times.push(ns);
    }
    let least = times.iter().min().copied().unwrap_or(0);
    let mean = times.iter().sum::<u64>() / times.len() as u64;
    let value = json!({ "peer": to, "name": name, "answers": times.len(), "ns": times });
    output.show(&value, || {
        format!(
            "{} answers, {:.1} us at least, {:.1} us on average",
            times.len(),
            least as f64 / 1e3,
            mean as f64 / 1e3
        )
    });
    Ok(())
}

/// Asks until the answer to ping `number` comes; tells when the last question was sent. A question
/// can be lost: the program that had the peer's function then may have been another one.
fn until_answered(session: &mut Session<Doorbell>, peer: u32, number: u64) -> Result<u64, Error> {
    let began = session.device.platform().now_ns();
    loop {
        let sent = session.device.platform().now_ns();
        session.send(peer, Letter::task(task::PING, number))?;
        match session.wait_for(peer, Subject::Done, PING_AGAIN_NS) {
            // An answer to an earlier one came late.
            Ok(answer) if answer.value() != number => {}
            Ok(_) => return Ok(sent),
            Err(Error::Timeout) if sent - began < session.patience_ns => {}
            Err(error) => return Err(error),
        }
    }
}

/// A connection to a peer that serves, and this side's memory.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) machine: Machine,
    pub(crate) connection: Connection<Doorbell>,
    pub(crate) buffer: Buffer,
    pub(crate) region: MemoryRegion,
    pub(crate) name: String,
}

impl Client {
    /// Connects to `peer`; both sides bring a buffer of `len_bytes`.
    pub(crate) fn connect(own: Own, waits: Waits, peer: &str, len_bytes: u64) -> Result<Self> {
        // At once: what is measured is how long it takes to be woken.
        let sleeps_after_ns = waits.sleeps_after_ns(Duration::ZERO);
        let mut machine = Machine::open_to_wait(own, sleeps_after_ns)?;
        let queues = machine.queues();
        let to = machine.peer(peer)?;
        let name = machine.name_of(to);
        let (buffer, region) = machine.buffer(len_bytes)?;
        let (session, arena) = (&mut machine.session, &mut machine.arena);
        let connection =
            Connection::open_with(session, arena, to, &region, queues).map_err(broken)?;
        ensure!(
            connection.remote_bytes >= len_bytes,
            "{name} offers {} bytes, {len_bytes} are needed",
            connection.remote_bytes
        );
        Ok(Self {
            machine,
            connection,
            buffer,
            region,
            name,
        })
    }

    /// Asks the server for a task.
    pub(crate) fn ask(&mut self, number: u64, argument: u64) -> Result<u64> {
        let peer = self.connection.peer;
        let answer = self.machine.session.ask(peer, number, argument);
        answer.map_err(broken)
    }

    /// Tells the server that this client has come to an end of something, and waits until it is
    /// there as well.
    pub(crate) fn meet(&mut self, number: u64) -> Result<()> {
        let peer = self.connection.peer;
        self.machine.session.meet(peer, number).map_err(broken)
    }

    /// Ends the connection on both sides.
    pub(crate) fn close(mut self) -> Result<()> {
        let bye = Letter::reached(task::BYE);
        let peer = self.connection.peer;
        self.machine.session.send(peer, bye).map_err(broken)?;
        self.connection
            .close(&mut self.machine.session)
            .map_err(broken)
    }
}
