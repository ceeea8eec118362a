//! `cargo xtask test`.

use std::collections::BTreeSet;
use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result};

use super::{build::DEFAULT_BOARD, setup};
use crate::artifacts::Profile;
use crate::board::{self, Board};
use crate::claims::{self, Claim};
use crate::console::Line;
use crate::flash::Package;
use crate::flash::proof::{self, Stage};
use crate::host_steps::{self, Count};
use crate::launch::{Kit, Order, Outcome};
use crate::qemu::End;
use crate::refusals;
use crate::scenario_file::ScenarioFile;
use crate::terminal::{Step, note};
use crate::{tools, workspace};

/// Runs every test: on the host, and guest programs in QEMU.
///
/// Host: cargo test of all crates that run here (unit and property tests), loom on the rings, Miri on
/// the pure crates, each fuzz target for a bounded time. What needs a missing tool is skipped and said.
///
/// Guest: each program of tests/guest is a claim. It is built, run in QEMU under its scenario and a
/// time limit, and what it prints is compared with the .stdout file beside it, on every board that
/// QEMU models; what takes long and says nothing of boards, on the first. There, each scenario of
/// tests/guest/refused must be refused.
///
///   cargo xtask test --host rings            tests whose name has "rings"
///   cargo xtask test --guest timer --bless   takes what it prints as right
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Test {
    /// Only tests whose names have this in them.
    filter: Option<String>,
    /// Only those on the host.
    #[arg(long, conflicts_with = "guest")]
    host: bool,
    /// Only those in QEMU.
    #[arg(long)]
    guest: bool,
    /// The board of the guest tests. Without it, all that QEMU models.
    #[arg(long)]
    board: Option<String>,
    /// Guest tests without overflow checks and debug assertions.
    #[arg(long)]
    release: bool,
    /// Writes what the guests print into the .stdout files, on the first board.
    #[arg(long)]
    bless: bool,
    /// Seconds for each fuzz target.
    #[arg(long, default_value_t = 10)]
    fuzz_seconds: u64,
}

impl Test {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let boards = self.boards()?;
        boards.iter().try_for_each(setup::ensure)?;
        let mut count = Count::default();
        if !self.guest {
            count.add(host_steps::run(self.filter.as_deref(), self.fuzz_seconds)?);
        }
        if !self.host {
            let mut tried = BTreeSet::new();
            for (index, board) in boards.into_iter().enumerate() {
                count.add(self.flash_tests(&board, &mut tried)?);
                count.add(self.guest_tests(board, index == 0)?);
            }
        }
        println!("\n{} passed, {} failed", count.passed, count.failed);
        Ok(if count.failed == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }

    /// At least one board, the usual one first.
    fn boards(&self) -> Result<Vec<Board>> {
        let first = Board::load(self.board.as_deref().unwrap_or(DEFAULT_BOARD))?;
        let mut boards = vec![first];
        if self.board.is_none() {
            let others = board::all()?.into_iter().filter(|it| it != DEFAULT_BOARD);
            let others: Vec<Board> = others.map(|it| Board::load(&it)).collect::<Result<_>>()?;
            boards.extend(others.into_iter().filter(|it| it.qemu.is_some()));
        }
        Ok(boards)
    }

    /// What `cargo xtask flash` makes: each proof on the first board that it can be tried on. `tried` has
    /// the names of those that were.
    fn flash_tests(&self, board: &Board, tried: &mut BTreeSet<&'static str>) -> Result<Count> {
        let proofs = proof::all(board, self.filter.as_deref());
        let mut proofs = proofs.filter(|it| tried.insert(it.name)).peekable();
        let mut count = Count::default();
        if proofs.peek().is_none() {
            return Ok(count);
        }
        note(format!("\n── flash tests, {}", board.name));
        tools::ensure(&board.target, &proof::TOOLS)?;
        let name = "pair";
        let scenario = ScenarioFile::load(name)?;
        let mut kit = Kit::build(board.clone(), Profile::Release, &[&scenario])?;
        // Small: a serial line is slow.
        kit.payload = Some(kit.unimux.raw.clone());
        let folder = Order::plain(&kit, &scenario).folder()?.join("proof");
        fs::create_dir_all(&folder)?;
        let package = Package::make(&Order::plain(&kit, &scenario), name, &folder)?;
        let stage = Stage {
            kit: &kit,
            scenario: &scenario,
            package: &package,
            folder: &folder,
        };
        for proof in proofs {
            let step = Step::begin(format!("test {}", proof.name));
            let tried = (proof.run)(&stage);
            let (lines, verdict) = tried.unwrap_or_else(|it| (vec![], Some(format!("{it:#}"))));
            settle(&mut count, step, proof.sentence, &lines, verdict);
        }
        Ok(count)
    }

    fn guest_tests(&self, board: Board, first: bool) -> Result<Count> {
        note(format!("\n── guest tests, {}", board.name));
        let wanted = |name: &str| self.filter.as_ref().is_none_or(|it| name.contains(it));
        let mut claims = claims::all()?;
        claims.retain(|it| wanted(&it.name) && (first || !it.one_board));
        let mut refused = refusals::all()?;
        // What is refused is refused before a board matters; hosts of virtual machines need virtio.
        refused.retain(|it| wanted(&it.name) && first);
        let scenarios: Vec<ScenarioFile> = claims
            .iter()
            .map(|it| {
                let mut scenario = ScenarioFile::load(&it.scenario)?;
                scenario.typed.clone_from(&it.typed);
                Ok(scenario)
            })
            .collect::<Result<_>>()?;
        let mut count = Count::default();
        if claims.is_empty() && refused.is_empty() {
            return Ok(count);
        }
        let all: Vec<&ScenarioFile> = scenarios.iter().collect();
        let mut kit = Kit::build(board, Profile::from_flag(self.release), &all)?;
        for (claim, scenario) in claims.iter().zip(&scenarios) {
            let step = Step::begin(format!("test {}", claim.name));
            kit.this_claim = Some(claim.name.clone());
            let (outcome, lines) = run_claim(&kit, claim, scenario)?;
            let verdict = self.verdict(claim, scenario, &outcome, &lines, self.bless && first)?;
            settle(&mut count, step, &claim.sentence, &lines, verdict);
        }
        for refusal in &refused {
            let step = Step::begin(format!("refused {}", refusal.name));
            let (lines, verdict) = refusal.run(&kit)?;
            settle(&mut count, step, &refusal.sentence, &lines, verdict);
        }
        Ok(count)
    }

    /// Why the claim does not hold, if it does not.
    fn verdict(
        &self,
        claim: &Claim,
        scenario: &ScenarioFile,
        outcome: &Outcome,
        lines: &[Line],
        bless: bool,
    ) -> Result<Option<String>> {
        if outcome.end != End::Exit(claim.exit) {
            let why = outcome.failure().unwrap_or_else(|| {
                format!(
                    "the run ended with exit code 0, and {} is claimed",
                    claim.exit
                )
            });
            return Ok(Some(why));
        }
        let missing = claims::missing_in_log(claim, lines);
        if !missing.is_empty() {
            return Ok(Some(format!(
                "EL2's log does not have: {}",
                missing.join("; ")
            )));
        }
        let found = claims::transcript(lines, &scenario.names());
        if bless {
            fs::write(&claim.golden, &found).with_context(|| workspace::short(&claim.golden))?;
            return Ok(None);
        }
        let Ok(expected) = fs::read_to_string(&claim.golden) else {
            let golden = workspace::short(&claim.golden);
            return Ok(Some(format!("there is no {golden}: --bless writes it")));
        };
        Ok((expected != found).then(|| {
            format!(
                "it prints something else:\n{}",
                claims::difference(&expected, &found)
            )
        }))
    }
}

fn run_claim(kit: &Kit, claim: &Claim, scenario: &ScenarioFile) -> Result<(Outcome, Vec<Line>)> {
    let order = Order {
        clock: claim.clock,
        ..Order::plain(kit, scenario)
    };
    let mut lines = Vec::new();
    let outcome = order.run(Some(claim.limit), |line| lines.push(line))?;
    Ok((outcome, lines))
}

/// Counts a test and shows how it went; `verdict` is why it failed.
fn settle(count: &mut Count, step: Step, sentence: &str, lines: &[Line], verdict: Option<String>) {
    match verdict {
        None => {
            step.done("ok");
            count.passed += 1;
        }
        Some(why) => {
            step.done("FAILED");
            show_failure(sentence, &why, lines);
            count.failed += 1;
        }
    }
}

/// Lines shown of a run that failed.
const TAIL: usize = 30;

fn show_failure(sentence: &str, why: &str, lines: &[Line]) {
    note(format!("  {sentence}"));
    note(format!("  {why}"));
    let tail = &lines[lines.len().saturating_sub(TAIL)..];
    if !tail.is_empty() {
        note(format!("  The last {} lines of the run:", tail.len()));
    }
    for line in tail {
        note(match line {
            Line::Guest { index, text } => format!("    guest {index}| {text}"),
            Line::Log { level, message, .. } => format!("    {level}: {message}"),
            Line::Text(text) => format!("    {text}"),
            Line::Damaged { bytes } => format!("    ({bytes} bytes were lost)"),
        });
    }
}
