//! `stat` and `top`: a function's counters, from the function itself.
//!
//! A function is one program's at a time; while another one has it, the host shows its counters
//! (`unimux vm stat`).

use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Map, Value};
use unimux_driver::{Counter, Counters};

use super::Own;
use super::machine::{Machine, broken};
use crate::output::{Output, table};

/// Shows the counters once.
pub(crate) fn once(output: Output, own: Own) -> Result<()> {
    let mut machine = Machine::open(own)?;
    let now = machine.session.device.query_counters().map_err(broken)?;
    show(output, now, None);
    Ok(())
}

/// Shows the counters every second, and what was added.
pub(crate) fn repeat(output: Output, own: Own) -> Result<()> {
    let mut machine = Machine::open(own)?;
    let mut last = None;
    loop {
        let now = machine.session.device.query_counters().map_err(broken)?;
        if !output.is_json() && last.is_some() {
            // Clears the screen and goes to its beginning (ECMA-48, ED and CUP).
            print!("\x1b[2J\x1b[H");
        }
        show(output, now, last);
        last = Some(now);
        sleep(Duration::from_secs(1));
    }
}

fn show(output: Output, now: Counters, last: Option<Counters>) {
    let value: Map<String, Value> = Counter::ALL
        .iter()
        .map(|&it| (it.name().to_owned(), now.get(it).into()))
        .collect();
    output.show(&value.into(), || {
        let rows: Vec<_> = Counter::ALL
            .iter()
            .map(|&it| {
                let mut row = vec![it.name().to_owned(), now.get(it).to_string()];
                let added = last.map(|last| now.get(it).wrapping_sub(last.get(it)));
                row.push(added.map_or("-".to_owned(), |added| added.to_string()));
                row
            })
            .collect();
        table(&["counter", "total", "each second"], &rows)
    });
}
