//! Claims of tests/guest: a program `<claim>.rs` and what it must print, `<claim>.stdout`.
//!
//! The head of the program says how it is run, after its first line, which is the claim itself:
//!
//! ```text
//! //! A guest cannot reach another's memory.
//! //! scenario: pair           xtask/scenarios/test-pair.toml; default: single
//! //! time-limit: 120          seconds; default: 60
//! //! clock: instructions      deterministic; default: host
//! //! exit: 1                  EL2's exit code; default: 0
//! //! log: stopped             EL2's log has a line with this text; may be repeated
//! //! type: bob: ready: hi\r   when a line of bob's has this text, that is typed into it; may be repeated
//! //! boards: one              on the first board alone, when several are tested; default: all
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::console::Line;
use crate::launch::Clock;
use crate::typist::Cue;
use crate::workspace;

/// How a claim is tested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    /// Name of the program.
    pub(crate) name: String,
    /// The claim as a sentence.
    pub(crate) sentence: String,
    /// Name of the scenario.
    pub(crate) scenario: String,
    /// When to give up.
    pub(crate) limit: Duration,
    /// How time goes.
    pub(crate) clock: Clock,
    /// EL2's exit code if the claim holds.
    pub(crate) exit: i32,
    /// What EL2's log must have.
    pub(crate) log: Vec<String>,
    /// What is typed.
    pub(crate) typed: Vec<Cue>,
    /// One board is enough: it takes long and says nothing of boards.
    pub(crate) one_board: bool,
    /// The golden file.
    pub(crate) golden: PathBuf,
}

const LIMIT: Duration = Duration::from_secs(60);

/// All claims in the order of their names.
///
/// # Errors
/// A golden file without a program: the program was renamed, or the file was left behind.
pub(crate) fn all() -> Result<Vec<Claim>> {
    let folder = workspace::root().join("tests/guest/src/bin");
    let mut sources = Vec::new();
    let mut golden = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| workspace::short(&folder))? {
        let path = entry?.path();
        match path.extension().and_then(|it| it.to_str()) {
            Some("rs") => sources.push(path),
            Some("stdout") => golden.push(path),
            // A program of several files is a folder with a main.rs.
            _ if path.join("main.rs").is_file() => sources.push(path.join("main.rs")),
            _ => {}
        }
    }
    sources.sort();
    let claims: Vec<Claim> = sources
        .iter()
        .map(|source| of_source(&folder, source))
        .collect::<Result<_>>()?;
    match golden
        .iter()
        .find(|path| claims.iter().all(|claim| claim.golden != **path))
    {
        Some(orphan) => bail!(
            "{} belongs to no claim: remove it",
            workspace::short(orphan)
        ),
        None => Ok(claims),
    }
}

fn of_source(folder: &Path, source: &Path) -> Result<Claim> {
    let stem = if source.ends_with("main.rs") {
        source.parent()
    } else {
        Some(source)
    };
    let name = stem
        .and_then(Path::file_stem)
        .and_then(|it| it.to_str())
        .with_context(|| format!("{} has no name", source.display()))?;
    let text = fs::read_to_string(source)?;
    let golden = folder.join(name).with_extension("stdout");
    parse(name, &text, golden).with_context(|| workspace::short(source))
}

fn parse(name: &str, source: &str, golden: PathBuf) -> Result<Claim> {
    let mut head = source
        .lines()
        .map_while(|line| line.strip_prefix("//!"))
        .map(str::trim);
    let Some(sentence) = head.next().filter(|it| !it.is_empty()) else {
        bail!("the first line must be the claim: //! …");
    };
    let mut claim = Claim {
        name: name.to_owned(),
        sentence: sentence.to_owned(),
        scenario: "test-single".to_owned(),
        limit: LIMIT,
        clock: Clock::Host,
        exit: 0,
        log: Vec::new(),
        typed: Vec::new(),
        one_board: false,
        golden,
    };
    for line in head {
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim();
        match key {
            "scenario" => claim.scenario = format!("test-{value}"),
            "time-limit" => {
                let seconds = value
                    .parse()
                    .with_context(|| format!("time-limit {value:?}"))?;
                claim.limit = Duration::from_secs(seconds);
            }
            "clock" => {
                claim.clock = match value {
                    "host" => Clock::Host,
                    "instructions" => Clock::Instructions,
                    _ => bail!("clock {value:?}: host or instructions"),
                }
            }
            "exit" => claim.exit = value.parse().with_context(|| format!("exit {value:?}"))?,
            "log" => claim.log.push(value.to_owned()),
            "type" => claim.typed.push(Cue::parse(value)?),
            "boards" => {
                claim.one_board = match value {
                    "one" => true,
                    "all" => false,
                    _ => bail!("boards {value:?}: one or all"),
                }
            }
            _ => {}
        }
    }
    Ok(claim)
}

/// What the guests said, as it is in a golden file: each guest's lines together, under its name if
/// there are several. How guests take turns is not part of a claim.
pub(crate) fn transcript(lines: &[Line], guests: &[String]) -> String {
    let mut text = String::new();
    for (guest, name) in guests.iter().enumerate() {
        for line in lines {
            let Line::Guest { index, text: said } = line else {
                continue;
            };
            if *index != guest {
                continue;
            }
            if guests.len() > 1 {
                text.push_str(name);
                text.push_str("| ");
            }
            text.push_str(said);
            text.push('\n');
        }
    }
    text
}

/// What the log does not have of what it must have.
pub(crate) fn missing_in_log<'a>(claim: &'a Claim, lines: &[Line]) -> Vec<&'a str> {
    let has = |wanted: &str| {
        lines.iter().any(|line| match line {
            Line::Log { message, .. } => message.contains(wanted),
            Line::Text(text) => text.contains(wanted),
            _ => false,
        })
    };
    claim
        .log
        .iter()
        .map(String::as_str)
        .filter(|wanted| !has(wanted))
        .collect()
}

/// The difference between two texts for people: lines that only one has, and where.
pub(crate) fn difference(expected: &str, found: &str) -> String {
    let [left, right]: [Vec<&str>; 2] = [expected, found].map(|it| it.lines().collect());
    // Longest common subsequence; golden files are short.
    let mut common = vec![vec![0usize; right.len() + 1]; left.len() + 1];
    for (i, a) in left.iter().enumerate().rev() {
        for (j, b) in right.iter().enumerate().rev() {
            common[i][j] = if a == b {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    let [mut i, mut j] = [0, 0];
    let mut text = String::new();
    while i < left.len() || j < right.len() {
        let (mark, line) = if i < left.len() && j < right.len() && left[i] == right[j] {
            (i, j) = (i + 1, j + 1);
            (' ', left[i - 1])
        } else if j == right.len() || (i < left.len() && common[i + 1][j] >= common[i][j + 1]) {
            i += 1;
            ('-', left[i - 1])
        } else {
            j += 1;
            ('+', right[j - 1])
        };
        text.push_str(&format!("    {mark} {line}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest(index: usize, text: &str) -> Line {
        Line::Guest {
            index,
            text: text.into(),
        }
    }

    #[test]
    fn the_head_says_how_a_claim_is_run() {
        let source = "//! It holds.\n//!\n//! Prose: with a colon.\n//! scenario: pair\n\
                      //! time-limit: 5\n//! clock: instructions\n//! exit: 1\n//! log: a b\n\
                      //! log: c\n#![no_std]\n//! exit: 9\n";
        let claim = parse("it_holds", source, "x".into()).unwrap();
        assert_eq!(
            (claim.sentence.as_str(), claim.scenario.as_str()),
            ("It holds.", "test-pair")
        );
        assert_eq!((claim.limit, claim.exit), (Duration::from_secs(5), 1));
        assert_eq!(
            (claim.clock, claim.log),
            (Clock::Instructions, vec!["a b".into(), "c".into()])
        );
    }

    #[test]
    fn a_head_that_cannot_be_read_is_refused() {
        for source in [
            "",
            "fn main() {}",
            "//!\n",
            "//! x\n//! exit: y",
            "//! x\n//! clock: sun",
        ] {
            assert!(parse("x", source, "x".into()).is_err(), "{source:?}");
        }
        let default = parse("x", "//! x", "x".into()).unwrap();
        assert_eq!(
            (default.scenario.as_str(), default.limit),
            ("test-single", LIMIT)
        );
    }

    #[test]
    fn the_turns_of_guests_are_not_in_the_transcript() {
        let lines = [
            guest(1, "b1"),
            guest(0, "a1"),
            Line::Text("x".into()),
            guest(1, "b2"),
        ];
        let names = ["a", "b"].map(str::to_owned);
        assert_eq!(transcript(&lines, &names), "a| a1\nb| b1\nb| b2\n");
        assert_eq!(transcript(&lines, &names[..1]), "a1\n");
    }

    #[test]
    fn only_el2_can_say_what_the_log_must_have() {
        let claim = parse("x", "//! x\n//! log: stopped\n//! log: panic", "x".into()).unwrap();
        let mut lines = vec![guest(0, "stopped"), Line::Text("a panic!".into())];
        assert_eq!(missing_in_log(&claim, &lines), ["stopped"]);
        lines.push(Line::Log {
            time: None,
            core: None,
            level: "warn".into(),
            message: "guest a is stopped".into(),
        });
        assert!(missing_in_log(&claim, &lines).is_empty());
    }

    #[test]
    fn a_difference_shows_both_sides() {
        let found = difference("a\nb\nc\n", "a\nx\nc\nd\n");
        assert_eq!(found, "      a\n    - b\n    + x\n      c\n    + d\n");
    }

    #[test]
    fn every_claim_of_the_repository_can_be_read() {
        let claims = all().unwrap();
        assert!(claims.iter().all(|claim| !claim.sentence.is_empty()));
    }
}
