//! What a board says on its console, as lines, until its run is over.

use std::io::{self, Read};

use anyhow::{Context, Result};
use defmt_decoder::Table;

use crate::console::{Console, Line};
use crate::terminal::Screen;

/// How EL2's log says that a run is over, and whether all went well.
const ENDS: [(&str, bool); 2] = [("all guests are off", true), ("the run failed", false)];

/// Shows each line; returns whether the run went well. It ends with the run, or with the port.
pub(crate) fn follow(
    port: &mut impl Read,
    table: Option<&Table>,
    guests: usize,
    screen: &Screen,
) -> Result<bool> {
    let mut console = Console::new(table, guests);
    let mut block = [0; 4096];
    let mut end = None;
    while end.is_none() {
        let count = match port.read(&mut block) {
            Err(error) if error.kind() == io::ErrorKind::TimedOut => continue,
            other => other.context("the port is gone: is the cable still in?")?,
        };
        console.push(&block[..count], |line| {
            screen.show(&line);
            if let Line::Log { message, .. } = &line {
                let said = ENDS.iter().find(|(text, _)| message == text);
                end = end.or(said.map(|(_, well)| *well));
            }
        });
    }
    Ok(end.unwrap_or(false))
}
