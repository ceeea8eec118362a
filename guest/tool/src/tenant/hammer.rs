//! `hammer`: small operations one by one, each checked, while the host counts exits.

use anyhow::{Result, ensure};
use serde_json::json;
use unimux_driver::{Counter, Platform as _, SendWr};
use unimux_exchange::task;

use super::client::Client;
use super::exits::{self, Window};
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
    let mut value = json!({
        "operations": operations,
        "completed": completed,
        "elapsed_ns": elapsed_ns,
        "operations_per_second": rate,
    });
    let exits = exits::tell(&mut value, exits);
    output.show(&value, || {
        format!(
            "{operations} operations in {:.3} s, {rate:.0} each second; the firmware counted \
             {completed}; every addition was there{exits}",
            elapsed_ns as f64 / 1e9
        )
    });
    Ok(())
}
