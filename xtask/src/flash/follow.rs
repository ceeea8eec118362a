//! What a board says on its console, as lines, until its run is over.

use std::io::{self, Read};

use anyhow::{Context, Result};
use defmt_decoder::Table;

use super::serial::GONE;
use crate::console::{Console, Line};

/// How EL2's log says that a run is over, and whether all went well.
const ENDS: [(&str, bool); 2] = [("all guests are off", true), ("the run failed", false)];

/// Whether all went well, if this line says that the run is over.
pub(crate) fn end(line: &Line) -> Option<bool> {
    let Line::Log { message, .. } = line else {
        return None;
    };
    let said = ENDS.iter().find(|(text, _)| message == text);
    said.map(|(_, well)| *well)
}

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
            end = end.or(self::end(&line));
            each(line);
        });
    }
    Ok(end.unwrap_or(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A console that says it all at once and is gone.
    struct Board(Vec<u8>);

    impl Read for Board {
        fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                return Err(io::Error::from_raw_os_error(5));
            }
            let count = self.0.len();
            block[..count].copy_from_slice(&self.0);
            self.0.clear();
            Ok(count)
        }
    }

    #[test]
    fn a_port_that_goes_away_ends_it() {
        let mut lines = Vec::new();
        let mut board = Board(b"Starting kernel ...\n".to_vec());
        let error = follow(&mut board, None, 0, |line| lines.push(line)).unwrap_err();
        assert_eq!(lines, [Line::Text("Starting kernel ...".into())]);
        assert!(error.to_string().contains("cable"), "{error}");
    }

    #[test]
    fn the_log_says_how_a_run_ended() {
        let log = |message: &str| Line::Log {
            time: None,
            core: None,
            level: "info".into(),
            message: message.into(),
        };
        assert_eq!(end(&log("all guests are off")), Some(true));
        assert_eq!(end(&log("the run failed")), Some(false));
        assert_eq!(end(&log("alice: off")), None);
        assert_eq!(end(&Line::Text("the run failed".into())), None);
    }
}
