//! Scenarios of tests/guest/refused: each must be refused by EL2, with its reason in the log.
//!
//! The head of the file has the claim, and what the log must say:
//!
//! ```text
//! # A host needs a core.
//! # log: the host has no core
//! ```

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::console::Line;
use crate::launch::{Kit, Order};
use crate::qemu::End;
use crate::scenario_file::ScenarioFile;
use crate::workspace;

/// EL2's exit code for a scenario that it refuses.
const CODE: i32 = 2;
const LIMIT: Duration = Duration::from_secs(60);

/// A scenario that is wrong.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    /// Name of the file.
    pub(crate) name: String,
    /// Why it is refused.
    pub(crate) sentence: String,
    log: String,
    scenario: ScenarioFile,
}

/// All of them in the order of their names.
pub(crate) fn all() -> Result<Vec<Refusal>> {
    let folder = workspace::root().join("tests/guest/refused");
    let mut paths = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| workspace::short(&folder))? {
        paths.push(entry?.path());
    }
    paths.retain(|path| path.extension().is_some_and(|it| it == "toml"));
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        let text = fs::read_to_string(path)?;
        let mut head = text.lines().filter_map(|line| line.strip_prefix("# "));
        let (sentence, log) = head
            .next()
            .zip(head.find_map(|line| line.strip_prefix("log: ")))
            .with_context(|| format!("{} has no claim", workspace::short(path)))?;
        let name = path.file_stem().context("a file has a name")?;
        Ok(Refusal {
            name: name.to_string_lossy().into_owned(),
            sentence: sentence.to_owned(),
            log: log.to_owned(),
            scenario: ScenarioFile::load(&path.display().to_string())?,
        })
    };
    paths.iter().map(read).collect()
}

impl Refusal {
    /// Runs it. Gives what it said, and why it does not hold, if it does not.
    pub(crate) fn run(&self, kit: &Kit) -> Result<(Vec<Line>, Option<String>)> {
        let order = Order::plain(kit, &self.scenario);
        let mut lines = Vec::new();
        let outcome = order.run(Some(LIMIT), |line| lines.push(line))?;
        let said =
            |line: &Line| matches!(line, Line::Log { message, .. } if message.contains(&self.log));
        let why = if outcome.end != End::Exit(CODE) {
            let ended = outcome.failure();
            Some(ended.unwrap_or_else(|| "it is not refused".to_owned()))
        } else if lines.iter().any(said) {
            None
        } else {
            Some(format!("EL2's log does not have: {}", self.log))
        };
        Ok((lines, why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_claim_and_a_reason() {
        assert!(!all().unwrap().is_empty());
    }
}
