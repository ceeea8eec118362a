//! What a board says on its console, as lines, until its run is over.

use std::io::{self, Read};

use anyhow::{Context, Result};
use defmt_decoder::Table;

use super::serial::GONE;
use crate::console::{Console, Line};

/// How EL2's log says that a run is over, and whether all went well.
const ENDS: [(&str, bool); 2] = [("all guests are off", true), ("the run failed", false)];

/// Gives each line; returns whether the run went well. It ends with the run, or with the port.
pub(crate) fn follow(
    port: &mut impl Read,
    table: Option<&Table>,
    guests: usize,
    mut each: impl FnMut(Line),
) -> Result<bool> {
    let mut console = Console::new(table, guests);
    let mut block = [0; 4096];
    let mut end = None;
    while end.is_none() {
        let count = match port.read(&mut block) {
            Err(error) if error.kind() == io::ErrorKind::TimedOut => continue,
            other => other.context(GONE)?,
        };
        console.push(&block[..count], |line| {
            if let Line::Log { message, .. } = &line {
                let said = ENDS.iter().find(|(text, _)| message == text);
                end = end.or(said.map(|(_, well)| *well));
            }
            each(line);
        });
    }
    Ok(end.unwrap_or(false))
}
