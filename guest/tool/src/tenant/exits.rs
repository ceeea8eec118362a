//! Exits of this machine between two moments, as Unimux counts them for a guest of its own.

use anyhow::{Error, Result};
use serde_json::Value;
use unimux_linux::{Exits, Life};

/// A time in which exits are counted, without those that counting takes.
#[derive(Debug)]
pub(crate) struct Window {
    /// The exits when it began, and what reading that took.
    opened: Option<(Exits, u64)>,
}

impl Window {
    /// Begins now. `life` is what Unimux says of the machine, if it is a guest of its own.
    pub(crate) fn open(life: Option<&Life>) -> Result<Self> {
        let opened = life.map(|life| {
            let [first, second] = [life.exits()?, life.exits()?];
            let cost = others(second) - others(first);
            Ok::<_, Error>((second, cost))
        });
        Ok(Self {
            opened: opened.transpose()?,
        })
    }

    /// The exits until now; `None` if nobody counts them.
    pub(crate) fn close(self, life: Option<&Life>) -> Result<Option<Exits>> {
        let (Some((opened, cost)), Some(life)) = (self.opened, life) else {
            return Ok(None);
        };
        let now = life.exits()?;
        Ok(Some(Exits {
            all: (now.all - opened.all).saturating_sub(cost),
            timers: now.timers - opened.timers,
            interrupts: now.interrupts - opened.interrupts,
        }))
    }
}

/// Exits that counting can be the cause of.
const fn others(exits: Exits) -> u64 {
    exits
        .all
        .saturating_sub(exits.timers)
        .saturating_sub(exits.interrupts)
}

/// Puts exits into `value`, if there are any counted; and as a line.
pub(crate) fn tell(value: &mut Value, exits: Option<Exits>) -> String {
    let Some(Exits {
        all,
        timers,
        interrupts,
    }) = exits
    else {
        return String::new();
    };
    value["exits"] = all.into();
    value["timer_exits"] = timers.into();
    value["interrupt_exits"] = interrupts.into();
    format!(
        "\n{all} exits of this machine: {timers} for its timers, {interrupts} for the function's interrupt"
    )
}
