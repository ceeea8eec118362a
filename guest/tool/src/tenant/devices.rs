//! `devices` and `info`: what there is.

use anyhow::Result;
use serde_json::json;
use unimux_driver::Counter;

use super::Own;
use super::machine::{Machine, broken};
use crate::output::{Output, table};

/// Lists functions without attaching any.
pub(crate) fn list(output: Output) -> Result<()> {
    let found = unimux_linux::find()?;
    let value: Vec<_> = found
        .iter()
        .map(|it| {
            let peers = it.info.peers.iter();
            json!({
                "device": it.address,
                "function": it.info.own.function,
                "name": it.info.own.name,
                "partition": it.info.partition,
                "peers": peers
                    .map(|peer| json!({ "function": peer.function, "name": peer.name }))
                    .collect::<Vec<_>>(),
            })
        })
        .collect();
    output.show(&json!({ "devices": value }), || {
        if found.is_empty() {
            return "no functions: was the virtual machine started with `unimux vm qemu-args`?"
                .to_owned();
        }
        let rows: Vec<_> = found
            .iter()
            .map(|it| {
                let peers = it.info.peers.iter();
                let peers: Vec<_> = peers
                    .map(|peer| format!("{} ({})", peer.name, peer.function))
                    .collect();
                vec![
                    it.info.own.function.to_string(),
                    it.info.own.name.clone(),
                    it.address.clone(),
                    it.info.partition.to_string(),
                    peers.join(", "),
                ]
            })
            .collect();
        table(&["function", "name", "device", "partition", "peers"], &rows)
    });
    Ok(())
}

/// Attaches a function and tells what it may have.
pub(crate) fn info(output: Output, own: Own) -> Result<()> {
    let mut machine = Machine::open(own)?;
    let limits = *machine.session.device.limits();
    let counters = machine.session.device.query_counters().map_err(broken)?;
    let huge = machine.arena.is_huge();
    let counted: serde_json::Map<_, _> = Counter::ALL
        .iter()
        .map(|&it| (it.name().to_owned(), counters.get(it).into()))
        .collect();
    let value = json!({
        "function": limits.function,
        "name": machine.info.own.name,
        "partition": machine.info.partition,
        "firmware": format!("{}.{}", limits.version >> 16, limits.version & 0xffff),
        "limits": {
            "protection_domains": limits.max_pds,
            "completion_queues": limits.max_cqs,
            "queue_pairs": limits.max_qps,
            "memory_regions": limits.max_mrs,
            "page_entries": limits.max_pages,
        },
        "huge_pages": huge,
        "counters": counted,
    });
    output.show(&value, || {
        let mut rows = vec![
            ("function", limits.function.to_string()),
            ("name", machine.info.own.name.clone()),
            ("partition", machine.info.partition.to_string()),
            (
                "firmware",
                format!("{}.{}", limits.version >> 16, limits.version & 0xffff),
            ),
            ("protection domains", limits.max_pds.to_string()),
            ("completion queues", limits.max_cqs.to_string()),
            ("queue pairs", limits.max_qps.to_string()),
            ("memory regions", limits.max_mrs.to_string()),
            ("page entries", limits.max_pages.to_string()),
            ("memory", machine.arena.path().display().to_string()),
            ("pages", if huge { "2 MiB" } else { "4 KiB" }.to_owned()),
        ];
        for counter in Counter::ALL {
            rows.push((counter.name(), counters.get(counter).to_string()));
        }
        let mut text = String::new();
        for (name, value) in rows {
            text.push_str(&format!("{name:<20} {value}\n"));
        }
        text
    });
    Ok(())
}
