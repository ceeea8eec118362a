//! `stat` and `top`: a function's counters, from the function itself, and a guest's exits and lives.
//!
//! A function is one program's at a time; while another one has it, the host shows its counters
//! (`unimux vm stat`).

use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Map, Value};
use unimux_driver::Counter;

use super::Own;
use super::machine::{Machine, broken};
use crate::output::{Output, table};

/// Shows the counters once.
pub(crate) fn once(output: Output, own: Own) -> Result<()> {
    let mut machine = Machine::open(own)?;
    show(output, &look(&mut machine)?, None);
    Ok(())
}

/// Shows the counters every second, and what was added.
pub(crate) fn repeat(output: Output, own: Own) -> Result<()> {
    let mut machine = Machine::open(own)?;
    let mut last: Option<Vec<Counted>> = None;
    loop {
        let now = look(&mut machine)?;
        if !output.is_json() && last.is_some() {
            // Clears the screen and goes to its beginning (ECMA-48, ED and CUP).
            print!("\x1b[2J\x1b[H");
        }
        show(output, &now, last.as_deref());
        last = Some(now);
        sleep(Duration::from_secs(1));
    }
}

/// A counter's name and value.
type Counted = (&'static str, u64);

/// The function's counters; for a guest of Unimux's own also those of the machine. Looking at these
/// is some exits itself.
fn look(machine: &mut Machine) -> Result<Vec<Counted>> {
    let counters = machine.session.device.query_counters().map_err(broken)?;
    let of_function = Counter::ALL.iter().map(|&it| (it.name(), counters.get(it)));
    let mut all: Vec<Counted> = of_function.collect();
    if let Some(life) = &machine.life {
        let exits = life.exits()?;
        all.extend([
            ("exits", exits.all),
            ("timer_exits", exits.timers),
            ("interrupt_exits", exits.interrupts),
            ("lives_before", life.lives_before()?.into()),
        ]);
    }
    Ok(all)
}

fn show(output: Output, now: &[Counted], last: Option<&[Counted]>) {
    let value: Map<String, Value> = now
        .iter()
        .map(|&(name, value)| (name.to_owned(), value.into()))
        .collect();
    output.show(&value.into(), || {
        let mut before = last.into_iter().flatten();
        let rows: Vec<_> = now
            .iter()
            .map(|&(name, value)| {
                let added = before.next().map(|&(_, last)| value.wrapping_sub(last));
                let added = added.map_or("-".to_owned(), |added| added.to_string());
                vec![name.to_owned(), value.to_string(), added]
            })
            .collect();
        table(&["counter", "total", "each second"], &rows)
    });
}
