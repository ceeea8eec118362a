//! `hammer`: small operations one by one, each checked, while the host counts exits.

use anyhow::{Error, Result, ensure};
use serde_json::json;
use unimux_driver::{Counter, Platform as _, SendWr};
use unimux_exchange::task;
use unimux_linux::{Exits, Life};

use super::client::Client;
use super::machine::broken;
use super::{Own, Waits};
use crate::output::Output;

/// Byte offsets in both buffers: what is added to, what is written, and where old values go.
const ADDED: u64 = 0;
const WRITTEN: u64 = 64;
const FETCHED: u64 = 128;

/// Does `operations` of them: by turns an 8-byte WRITE and a FETCH-ADD, whose result says that
/// none before it was lost.
pub(crate) fn run(output: Output, own: Own, peer: &str, operations: u64) -> Result<()> {
    let mut client = Client::connect(own, Waits::default(), peer, 4096)?;
    let before = client
        .machine
        .session
        .device
        .query_counters()
        .map_err(broken)?;
    let remote = client.connection.remote;
    let fetched = client.region.segment(FETCHED, 8);
    let window = Window::open(client.machine.life.as_ref())?;
    let began = client.connection.platform().now_ns();
    for number in 0..operations {
        if number % 2 == 0 {
            let write = SendWr::write_u64(number, remote.at(WRITTEN)).signaled();
            client.connection.carry_out(&write).map_err(broken)?;
        } else {
            let add = SendWr::fetch_add(fetched, remote.at(ADDED), 1).signaled();
            client.connection.carry_out(&add).map_err(broken)?;
            let old = client.buffer.load(FETCHED as usize / 8);
            ensure!(
                old == number / 2,
                "operation {number}: {} additions were lost or done twice",
                old.abs_diff(number / 2)
            );
        }
    }
    let elapsed_ns = client.connection.platform().now_ns() - began;
    let exits = window.close(client.machine.life.as_ref())?;
    let after = client
        .machine
        .session
        .device
        .query_counters()
        .map_err(broken)?;
    let completed = after.get(Counter::Completed) - before.get(Counter::Completed);
    client.meet(task::OVER)?;
    client.close()?;
    let rate = operations as f64 * 1e9 / elapsed_ns.max(1) as f64;
    let value = json!({
        "operations": operations,
        "completed": completed,
        "elapsed_ns": elapsed_ns,
        "operations_per_second": rate,
        "exits": exits.map(|it| it.all),
        "timer_exits": exits.map(|it| it.timers),
    });
    output.show(&value, || {
        let mut text = format!(
            "{operations} operations in {:.3} s, {rate:.0} each second; the firmware counted \
             {completed}; every addition was there",
            elapsed_ns as f64 / 1e9
        );
        if let Some(exits) = exits {
            let (all, timers) = (exits.all, exits.timers);
            text += &format!("\n{all} exits of this machine, {timers} of them for its timers");
        }
        text
    });
    Ok(())
}

/// The exits of this machine between two moments, without those that counting takes.
#[derive(Debug)]
struct Window {
    /// The exits when it began, and what reading that took.
    opened: Option<(Exits, u64)>,
}

impl Window {
    fn open(life: Option<&Life>) -> Result<Self> {
        let opened = life.map(|life| {
            let [first, second] = [life.exits()?, life.exits()?];
            let cost = (second.all - second.timers) - (first.all - first.timers);
            Ok::<_, Error>((second, cost))
        });
        Ok(Self {
            opened: opened.transpose()?,
        })
    }

    fn close(self, life: Option<&Life>) -> Result<Option<Exits>> {
        let (Some((opened, cost)), Some(life)) = (self.opened, life) else {
            return Ok(None);
        };
        let now = life.exits()?;
        Ok(Some(Exits {
            all: (now.all - opened.all).saturating_sub(cost),
            timers: now.timers - opened.timers,
        }))
    }
}
