//! `unimux vm`: asks the agent, and shows what it says.

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};
use unimux_driver::Counter;

use super::protocol::{Report, Request, ask};
use super::{VmCommand, qemu};
use crate::output::{Output, bytes, table};

/// Asks the agent, and shows what it says.
pub(super) fn run(output: Output, command: VmCommand) -> Result<()> {
    match command {
        VmCommand::Create { options, at } => {
            let request = Request::Create {
                name: options.name,
                memory_bytes: options.memory,
                partition: options.partition,
                weight: options.weight,
            };
            list(output, &ask::<Vec<Report>>(&at.run, &request)?);
        }
        VmCommand::List(at) => list(output, &ask::<Vec<Report>>(&at.run, &Request::List)?),
        VmCommand::QemuArgs { name, at } => {
            let vm = find(&at.run, &name)?;
            let options = qemu::options(&vm.ram, &vm.doorbell, &vm.wake, vm.vm.memory_bytes);
            output.show(&json!(options), || options.join(" "));
        }
        VmCommand::Reset { name, at } => {
            list(
                output,
                &ask::<Vec<Report>>(&at.run, &Request::Reset { name })?,
            );
        }
        VmCommand::Limit {
            name,
            bytes_per_second,
            requests_per_second,
            weight,
            at,
        } => {
            let request = Request::Limit {
                name,
                weight,
                bytes_per_second,
                requests_per_second,
            };
            list(output, &ask::<Vec<Report>>(&at.run, &request)?);
        }
        VmCommand::Destroy { name, force, at } => {
            let gone = format!("{name} is destroyed");
            ask::<Vec<Report>>(&at.run, &Request::Destroy { name, force })?;
            output.show(&json!([]), || gone);
        }
        VmCommand::Stat { name, at } => stat(output, &find(&at.run, &name)?),
        VmCommand::Top(at) => top(output, &at.run)?,
    }
    Ok(())
}

fn find(run: &Path, name: &str) -> Result<Report> {
    let all = ask::<Vec<Report>>(run, &Request::List)?;
    let found = all.into_iter().find(|it| it.vm.name == name);
    found.with_context(|| {
        format!("there is no virtual machine {name}: make it with `unimux vm create {name} --memory 512M`")
    })
}

fn value_of(report: &Report) -> Value {
    let mut value = json!(report);
    value["counters"] = counters_of(report).into();
    value
}

fn counters_of(report: &Report) -> Map<String, Value> {
    let counters = Counter::ALL.iter().zip(&report.counters);
    counters
        .map(|(counter, value)| (counter.name().to_owned(), (*value).into()))
        .collect()
}

fn list(output: Output, all: &[Report]) {
    let values: Vec<Value> = all.iter().map(value_of).collect();
    output.show(&json!(values), || {
        if all.is_empty() {
            return "no virtual machines: `unimux vm create NAME --memory 512M`".to_owned();
        }
        let number = |it: Option<u32>| it.map_or("-".to_owned(), |it| it.to_string());
        let rows: Vec<_> = all
            .iter()
            .map(|it| {
                vec![
                    it.vm.name.clone(),
                    number(it.vm.function.map(u32::from)),
                    it.state.clone(),
                    it.vm.partition.to_string(),
                    it.vm.weight.to_string(),
                    bytes(it.vm.memory_bytes),
                    number(it.qemu),
                    it.attaches.to_string(),
                ]
            })
            .collect();
        let head = [
            "name",
            "function",
            "state",
            "partition",
            "weight",
            "memory",
            "QEMU",
            "attached",
        ];
        table(&head, &rows)
    });
}

fn stat(output: Output, report: &Report) {
    output.show(&value_of(report), || {
        let mut rows = vec![
            vec!["state".to_owned(), report.state.clone()],
            vec![
                "objects in use".to_owned(),
                report.objects_in_use.to_string(),
            ],
            vec!["window bytes".to_owned(), report.window_bytes.to_string()],
            vec![
                "bytes per second".to_owned(),
                report.bytes_per_second.to_string(),
            ],
            vec![
                "requests per second".to_owned(),
                report.requests_per_second.to_string(),
            ],
        ];
        for (counter, value) in Counter::ALL.iter().zip(&report.counters) {
            rows.push(vec![counter.name().to_owned(), value.to_string()]);
        }
        table(&[report.vm.name.as_str(), "value"], &rows)
    });
}

/// What every function did in the last second, until interrupted.
fn top(output: Output, run: &Path) -> Result<()> {
    let mut last: Vec<Report> = ask(run, &Request::List)?;
    loop {
        sleep(Duration::from_secs(1));
        let now: Vec<Report> = ask(run, &Request::List)?;
        let of = |report: &Report, counter: Counter| {
            report.counters.get(counter as usize).copied().unwrap_or(0)
        };
        let rates: Vec<_> = now
            .iter()
            .map(|it| {
                let before = last.iter().find(|old| old.vm.cookie == it.vm.cookie);
                let added = |counter| {
                    let before = before.map_or(0, |old| of(old, counter));
                    of(it, counter).saturating_sub(before)
                };
                let engine = added(Counter::EngineBusyCycles).max(1);
                (
                    it,
                    added(Counter::Completed),
                    added(Counter::Bytes),
                    added(Counter::Failed),
                    100 * added(Counter::BusyCycles) / engine,
                )
            })
            .collect();
        let values: Vec<Value> = rates
            .iter()
            .map(|(it, requests, bytes, failed, share)| {
                json!({
                    "name": it.vm.name,
                    "requests_per_second": requests,
                    "bytes_per_second": bytes,
                    "failed_per_second": failed,
                    "engine_share_percent": share,
                })
            })
            .collect();
        output.show(&json!(values), || {
            let rows: Vec<_> = rates
                .iter()
                .map(|(it, requests, bytes, failed, share)| {
                    vec![
                        it.vm.name.clone(),
                        it.state.clone(),
                        requests.to_string(),
                        format!("{:.1}", *bytes as f64 / 1e6),
                        failed.to_string(),
                        share.to_string(),
                    ]
                })
                .collect();
            let head = [
                "name",
                "state",
                "requests/s",
                "MB/s",
                "failed/s",
                "engine %",
            ];
            // Clears the screen and goes to its beginning (ECMA-48, ED and CUP).
            format!("\x1b[2J\x1b[H{}", table(&head, &rows))
        });
        last = now;
    }
}
