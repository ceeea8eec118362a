//! `bw` and `lat`: perftest's two questions.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use unimux_driver::{Platform as _, SendWr};
use unimux_exchange::failure::succeeded;

use super::client::{Client, task};
use super::machine::broken;
use super::{Measurement, Operation};
use crate::output::{Output, table};

/// The sizes of `--all`: 8 bytes to 1 MiB.
const ALL: std::ops::RangeInclusive<u32> = 3..=20;
/// What fits into an entry (unimux-abi, work).
const INLINE_MAX: u64 = 32;
/// Of how many requests one is signaled, at most.
const SIGNAL_EVERY: u64 = 16;

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
    run(output, asked, |client, request, size| {
        let depth = asked
            .depth
            .clamp(1, client.connection.qp.send_room().into());
        // Warm up, so that the first size is not the one that pays for it.
        stream(client, request, depth, depth)?;
        let elapsed_ns = stream(client, request, asked.iters, depth)?;
        results.push(Bandwidth {
            size,
            iters: asked.iters,
            elapsed_ns,
        });
        Ok(())
    })?;
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
    let value = json!({ "test": "bandwidth", "operation": asked.op.name(), "results": rows });
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
        table(&["bytes", "iterations", "MB/s", "M requests/s"], &rows)
    });
    Ok(())
}

/// Measures how long one request takes, from post to completion.
pub(crate) fn latency(output: Output, asked: &Measurement) -> Result<()> {
    let mut results = Vec::new();
    run(output, asked, |client, request, size| {
        let request = request.signaled();
        for _ in 0..asked.iters.min(100) {
            client.connection.carry_out(&request).map_err(broken)?;
        }
        let mut samples = Vec::with_capacity(asked.iters as usize);
        for _ in 0..asked.iters {
            let began = client.connection.platform().now_ns();
            client.connection.qp.post_send(&request).map_err(broken)?;
            client.connection.spin().map_err(broken)?;
            samples.push(client.connection.platform().now_ns() - began);
        }
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
    let value = json!({ "test": "latency", "operation": asked.op.name(), "results": rows });
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
        table(&head, &rows)
    });
    Ok(())
}

/// Connects, and has `measure` done for every size with its request.
fn run(
    output: Output,
    asked: &Measurement,
    mut measure: impl FnMut(&mut Client, SendWr, u64) -> Result<()>,
) -> Result<()> {
    ensure!(asked.iters > 0, "nothing to measure: --iters is at least 1");
    let sizes: Vec<u64> = if asked.all {
        ALL.map(|log2| 1 << log2).collect()
    } else {
        vec![asked.size]
    };
    let largest = sizes.iter().max().copied().unwrap_or(1);
    let mut client = Client::connect(asked.own, &asked.peer, largest)?;
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
    for size in sizes {
        if asked.op == Operation::Send {
            client.ask(task::RECEIVE, largest)?;
        }
        let request = request(asked, &client, size)?;
        measure(&mut client, request, size)?;
    }
    client.meet(task::OVER)?;
    client.close()
}

/// The request of `size` bytes that is asked for, not signaled.
fn request(asked: &Measurement, client: &Client, size: u64) -> Result<SendWr> {
    let local = client.region.segment(0, u32::try_from(size)?);
    let remote = client.connection.remote;
    let inline = size <= INLINE_MAX && !asked.no_inline;
    let data = [0x5a; INLINE_MAX as usize];
    let data = &data[..size.min(INLINE_MAX) as usize];
    Ok(match asked.op {
        Operation::Read => SendWr::read(local, remote),
        Operation::Write if inline => SendWr::write_inline(data, remote).map_err(broken)?,
        Operation::Write => SendWr::write(local, remote),
        Operation::Send if inline => SendWr::send_inline(data).map_err(broken)?,
        Operation::Send => SendWr::send(local),
    })
}

/// Keeps `depth` requests under way until `count` are complete; answers with the nanoseconds.
fn stream(client: &mut Client, request: SendWr, count: u64, depth: u64) -> Result<u64> {
    let every = (depth / 4).clamp(1, SIGNAL_EVERY);
    let connection = &mut client.connection;
    let (mut posted, mut done) = (0, 0);
    let began = connection.platform().now_ns();
    while done < count {
        let before = posted;
        while posted < count && posted - done < depth {
            posted += 1;
            let request = request.id(posted);
            let is_signaled = posted % every == 0 || posted == count;
            let request = if is_signaled {
                request.signaled()
            } else {
                request
            };
            connection.qp.enqueue_send(&request).map_err(broken)?;
        }
        if posted > before {
            connection.qp.ring();
        }
        // Requests of one queue pair complete in order: the id says how many.
        done = connection.spin().map_err(broken)?.id;
        while let Some(completion) = connection.poll().map_err(broken)? {
            done = succeeded(completion).map_err(broken)?.id;
        }
    }
    Ok(connection.platform().now_ns() - began)
}
