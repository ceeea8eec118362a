//! `bw` and `lat`: perftest's two questions.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use unimux_driver::SendWr;
use unimux_exchange::task::Question;
use unimux_exchange::{measure, task};
use unimux_linux::{Exits, Sleeps};

use super::client::Client;
use super::exits::{self, Window};
use super::machine::broken;
use super::{Measurement, Operation, witness};
use crate::output::{Output, table};

/// The sizes of `--all`: 8 bytes to 1 MiB.
const ALL: std::ops::RangeInclusive<u32> = 3..=20;

/// What one size gave.
struct Bandwidth {
    size: u64,
    iters: u64,
    elapsed_ns: u64,
}

impl Bandwidth {
    fn bytes_per_second(&self) -> f64 {
        (self.size * self.iters) as f64 * 1e9 / self.elapsed_ns.max(1) as f64
    }

    fn requests_per_second(&self) -> f64 {
        self.iters as f64 * 1e9 / self.elapsed_ns.max(1) as f64
    }
}

/// Measures how much goes through.
pub(crate) fn bandwidth(output: Output, asked: &Measurement) -> Result<()> {
    let mut results = Vec::new();
    let mut add = |size, elapsed_ns| {
        results.push(Bandwidth {
            size,
            iters: asked.iters,
            elapsed_ns,
        });
    };
    let (sleeps, exits) = match &asked.by {
        Some(by) => {
            add(asked.size, witness::ask(asked, by, Question::Stream)?);
            (None, None)
        }
        None => run(output, asked, |client, request, size| {
            let connection = &mut client.connection;
            let elapsed_ns = measure::stream(connection, &request, asked.iters, asked.depth);
            add(size, elapsed_ns.map_err(broken)?);
            Ok(())
        })?,
    };
    let rows: Vec<Value> = results
        .iter()
        .map(|it| {
            json!({
                "size": it.size,
                "iterations": it.iters,
                "elapsed_ns": it.elapsed_ns,
                "mb_per_second": it.bytes_per_second() / 1e6,
                "requests_per_second": it.requests_per_second(),
            })
        })
        .collect();
    let mut value = json!({ "test": "bandwidth", "operation": asked.op.name(), "results": rows });
    let slept = tell_sleeps(&mut value, sleeps) + &exits::tell(&mut value, exits);
    output.show(&value, || {
        let rows: Vec<_> = results
            .iter()
            .map(|it| {
                vec![
                    it.size.to_string(),
                    it.iters.to_string(),
                    format!("{:.1}", it.bytes_per_second() / 1e6),
                    format!("{:.4}", it.requests_per_second() / 1e6),
                ]
            })
            .collect();
        table(&["bytes", "iterations", "MB/s", "M requests/s"], &rows) + &slept
    });
    Ok(())
}

/// Measures how long one request takes, from post to completion.
pub(crate) fn latency(output: Output, asked: &Measurement) -> Result<()> {
    if let Some(by) = &asked.by {
        let p50_ns = witness::ask(asked, by, Question::Latency)?;
        let row = json!({ "size": asked.size, "iterations": asked.iters, "p50_ns": p50_ns });
        let value = json!({ "test": "latency", "operation": asked.op.name(), "results": [row] });
        output.show(&value, || {
            format!(
                "{by}: half of them took {:.2} us at most",
                p50_ns as f64 / 1e3
            )
        });
        return Ok(());
    }
    let mut results = Vec::new();
    let (sleeps, exits) = run(output, asked, |client, request, size| {
        let mut samples = Vec::with_capacity(asked.iters as usize);
        let connection = &mut client.connection;
        measure::one_by_one(connection, &request, asked.iters, |ns| samples.push(ns))
            .map_err(broken)?;
        samples.sort_unstable();
        results.push((size, samples));
        Ok(())
    })?;
    // The nearest rank.
    let at = |samples: &[u64], permille: usize| {
        let rank = (samples.len() * permille).div_ceil(1000).max(1);
        samples.get(rank - 1).copied().unwrap_or(0)
    };
    let mean = |samples: &[u64]| samples.iter().sum::<u64>() as f64 / samples.len().max(1) as f64;
    let rows: Vec<Value> = results
        .iter()
        .map(|(size, samples)| {
            json!({
                "size": size,
                "iterations": samples.len(),
                "min_ns": at(samples, 0),
                "mean_ns": mean(samples),
                "p50_ns": at(samples, 500),
                "p90_ns": at(samples, 900),
                "p99_ns": at(samples, 990),
                "p999_ns": at(samples, 999),
                "max_ns": at(samples, 1000),
            })
        })
        .collect();
    let mut value = json!({ "test": "latency", "operation": asked.op.name(), "results": rows });
    let slept = tell_sleeps(&mut value, sleeps) + &exits::tell(&mut value, exits);
    output.show(&value, || {
        let us = |ns: f64| format!("{:.2}", ns / 1e3);
        let rows: Vec<_> = results
            .iter()
            .map(|(size, samples)| {
                let mut row = vec![size.to_string(), samples.len().to_string()];
                row.push(us(at(samples, 0) as f64));
                row.push(us(mean(samples)));
                for permille in [500, 900, 990, 1000] {
                    row.push(us(at(samples, permille) as f64));
                }
                row
            })
            .collect();
        let head = [
            "bytes",
            "iterations",
            "min us",
            "mean us",
            "p50 us",
            "p90 us",
            "p99 us",
            "max us",
        ];
        table(&head, &rows) + &slept
    });
    Ok(())
}

/// Puts into `value` how often was slept, if anybody did; and as a line.
fn tell_sleeps(value: &mut Value, sleeps: Option<Sleeps>) -> String {
    let Some(sleeps) = sleeps else {
        return String::new();
    };
    value["sleeps"] = json!({
        "woken": sleeps.woken,
        "timed_out": sleeps.timed_out,
        "naps": sleeps.naps,
    });
    super::slept(sleeps)
}

/// Connects, and has `each` done for every size with its request. How often it slept, and the exits
/// of this machine meanwhile.
fn run(
    output: Output,
    asked: &Measurement,
    mut each: impl FnMut(&mut Client, SendWr, u64) -> Result<()>,
) -> Result<(Option<Sleeps>, Option<Exits>)> {
    ensure!(asked.iters > 0, "nothing to measure: --iters is at least 1");
    let sizes: Vec<u64> = if asked.all {
        ALL.map(|log2| 1 << log2).collect()
    } else {
        vec![asked.size]
    };
    let largest = sizes.iter().max().copied().unwrap_or(1);
    let mut client = Client::connect(asked.own, asked.waits, &asked.peer, largest)?;
    output.say(&format!(
        "{} {} with {}",
        asked.op.name(),
        if asked.all {
            "of every size"
        } else {
            "requests"
        },
        client.name
    ));
    client.buffer.fill_pattern(1);
    let window = Window::open(client.machine.life.as_ref())?;
    for size in sizes {
        if asked.op == Operation::Send {
            client.ask(task::RECEIVE, largest)?;
        }
        let size_bytes = u32::try_from(size)?;
        let request = measure::request(
            &client.connection,
            &client.region,
            asked.op.into(),
            size_bytes,
            !asked.no_inline,
        );
        each(&mut client, request.map_err(broken)?, size)?;
    }
    let exits = window.close(client.machine.life.as_ref())?;
    client.meet(task::OVER)?;
    let sleeps = client.machine.sleeps();
    client.close()?;
    Ok((sleeps, exits))
}
