//! `cargo xtask bench`.

use std::fs;
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::{build::DEFAULT_BOARD, setup, size};
use crate::artifacts::Profile;
use crate::board::Board;
use crate::console::Line;
use crate::launch::{Clock, Kit, Order};
use crate::linux_run::{self, LinuxFiles, OwnFiles};
use crate::metrics::{ENGINE_PROMISES, IDLE_RATIO, IMAGE_BYTES, Measured, TEXT_BYTES};
use crate::scenario_file::ScenarioFile;
use crate::terminal::{Screen, Step, note};
use crate::{boot_delay, elf, host_bench, linux_bench, plots, workspace};

/// Measures what Unimux promises, and says whether it holds.
///
/// What can be counted comes from a boot in which QEMU counts instructions instead of time: those
/// numbers do not depend on how busy this machine is, and two runs give the same. What idle
/// functions cost is the ratio of two more such boots of scenario bench-cost, without and with them.
///
/// Latency and bandwidth, of which only a clock can tell what crossing cores costs, come from a boot
/// in the host's time, scenario bench-time, with their baselines beside in the same boot. If a limit
/// on them is broken it is booted again, up to three times in all, and the best boot counts, since
/// other load on this machine disturbs them. It can flatter a ratio as well: a value near its limit
/// wants a quiet machine.
///
/// A board with a DMA engine has two boots more: bench-engine-cost counts the instructions of the
/// engine core by size, for the core alone and for the DMA engine; bench-engine-time measures bandwidth
/// by size of the core, the DMA engine and both, and from which size on the DMA engine is quicker.
///
/// The table goes to standard output, a list of {metric, value, unit, limit, ok} to
/// target/bench/BOARD.json, plots to target/bench/*.svg. Exit code 1 if a limit is broken or a
/// number is missing.
#[derive(clap::Args)]
pub(crate) struct Bench {
    /// The board: a folder of bsp/.
    #[arg(long, default_value = DEFAULT_BOARD)]
    board: String,
    /// A scenario with Linux in it: kvm-pair, in which the tenants of a host measure the engine, Soft-RoCE and
    /// TCP in one boot, or linux-pair, in which guests of Unimux's own measure; both beside a bare-metal guest,
    /// and how long a boot takes with Unimux and without. The list goes to target/bench/SCENARIO.json.
    #[arg(long)]
    scenario: Option<String>,
    /// Print the list instead of the table.
    #[arg(long)]
    json: bool,
    /// A promise that is known to be pending: shown as broken all the same, but no failure.
    #[arg(long, value_name = "METRIC")]
    pending: Vec<String>,
    /// Show what the guests and EL2 say while it runs.
    #[arg(long, short)]
    verbose: bool,
    /// Seconds until a boot that does not end is stopped.
    #[arg(long, default_value_t = 900)]
    timeout: u64,
}

/// Functions in the boot with idle ones: as many as the firmware has.
const MANY: u32 = unimux_scenario::check::FUNCTIONS_MAX;

impl Bench {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let board = Board::load(&self.board)?;
        setup::ensure(&board)?;
        if let Some(name) = &self.scenario {
            return self.linux(board, name);
        }
        let mut all = ScenarioFile::load("bench")?;
        all.fit(board.machine()?.cores_max.unwrap_or(u32::MAX));
        let time = ScenarioFile::load("bench-time")?;
        let few = ScenarioFile::load("bench-cost")?;
        let mut many = few.clone();
        many.idle_functions = MANY - u32::try_from(many.guests.len())?;
        let has_dma = !board.engines.is_empty();
        let kit = Kit::build(board, Profile::Release, &[&all, &time, &few])?;

        let mut measured = self.boot(&kit, &all, Clock::Instructions, &all.description)?;
        let [text, image] = size::totals(&elf::sections(&fs::read(&kit.unimux.elf)?)?);
        measured.set(TEXT_BYTES, text as f64, "bytes");
        measured.set(IMAGE_BYTES, image as f64, "bytes");
        measured.add(self.best_in_time(&kit, &time)?);
        let counted = Clock::Instructions;
        let what = "the cost of a request, no idle function";
        let few = self.boot(&kit, &few, counted, what)?;
        let what = format!("the same with {MANY} functions");
        let many = self.boot(&kit, &many, counted, &what)?;
        if let Some(ratio) = many.cost_ratio(&few) {
            measured.set(IDLE_RATIO, ratio, "ratio");
        }
        if has_dma {
            measured.promise_also(&ENGINE_PROMISES);
            for (name, clock) in [
                ("bench-engine-cost", Clock::Instructions),
                ("bench-engine-time", Clock::Host),
            ] {
                let scenario = ScenarioFile::load(name)?;
                measured.add(self.boot(&kit, &scenario, clock, &scenario.description)?);
            }
        }
        self.write(&kit.board.name, &measured)
    }

    /// Measures what Linux has: the tenants of a host, or guests of Unimux's own.
    fn linux(&self, board: Board, name: &str) -> Result<ExitCode> {
        let mut scenario = ScenarioFile::load(name)?;
        let contest = match scenario.kvm_host {
            Some(_) => host_bench::CONTEST,
            None => linux_bench::CONTEST,
        };
        if !scenario.set_job(contest.job) {
            bail!("nobody in {name} runs a job in Linux: leave --scenario out");
        }
        let boots = ScenarioFile::load(contest.boots)?;
        scenario.join(ScenarioFile::load(contest.witness)?);
        let mut kit = Kit::build(board, Profile::Release, &[&scenario])?;
        let own = OwnFiles::default();
        let mut measured = Measured::promising(contest.promises);
        kit.linux = LinuxFiles::bring(&boots, &own, &kit.payload())?;
        (contest.add_boots)(&mut measured, boot_delay::measure(&kit, &boots)?);
        kit.linux = LinuxFiles::bring(&scenario, &own, &kit.payload())?;
        self.boot_with(&kit, &scenario, Clock::Host, contest.what, |line| {
            (contest.take)(&mut measured, line)
        })?;
        measured.add_ratios(contest.ratios);
        self.write(name, &measured)
    }

    /// Boots in the host's time until nothing promised is broken, or the tries are over; returns the
    /// best boot. A boot counts as a whole: numbers of different boots are not mixed.
    fn best_in_time(&self, kit: &Kit, scenario: &ScenarioFile) -> Result<Measured> {
        let mut best: Option<Measured> = None;
        for boot in 1..=TIME_BOOTS {
            let what = match boot {
                1 => scenario.description.clone(),
                _ => format!("{}, boot {boot} of {TIME_BOOTS}", scenario.description),
            };
            let measured = self.boot(kit, scenario, Clock::Host, &what)?;
            let broken = measured.broken();
            if best
                .as_ref()
                .is_none_or(|it| measured.excess() < it.excess())
            {
                best = Some(measured);
            }
            if broken.is_empty() {
                break;
            }
            note(format!("  in boot {boot}: {}", broken.join(", ")));
            if boot == TIME_BOOTS {
                note("  the best of these boots counts");
            } else {
                sleep(LULL * (boot - 1));
            }
        }
        best.context("a bench boots at least once")
    }

    fn boot(
        &self,
        kit: &Kit,
        scenario: &ScenarioFile,
        clock: Clock,
        what: &str,
    ) -> Result<Measured> {
        let mut measured = Measured::default();
        self.boot_with(kit, scenario, clock, what, |line| {
            measured.take(line).map(str::to_owned)
        })?;
        Ok(measured)
    }

    /// Boots once; `take` is given each line and returns what it found in it.
    fn boot_with(
        &self,
        kit: &Kit,
        scenario: &ScenarioFile,
        clock: Clock,
        what: &str,
        mut take: impl FnMut(&Line) -> Option<String>,
    ) -> Result<()> {
        let order = Order {
            clock,
            // The same keys each time: the same instructions each time.
            seed: Some(1),
            ..Order::plain(kit, scenario)
        };
        let screen = Screen::new(scenario.names(), false);
        let mut lines = Vec::new();
        let step = Step::begin(format!("Measuring: {what}"));
        let limit = Duration::from_secs(self.timeout);
        let outcome = order.run_while(limit, |line| {
            if let Some(metric) = take(&line) {
                step.detail(&metric);
            }
            if self.verbose {
                screen.show(&line);
            }
            // The guests need each other: without one the others would wait for it in vain.
            let flow = match ends_badly(&line) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            };
            lines.push(line);
            flow
        })?;
        if let Some(failure) = outcome.failure() {
            step.done("failed");
            if !self.verbose {
                lines[lines.len().saturating_sub(TAIL)..]
                    .iter()
                    .for_each(|line| screen.show(line));
            }
            bail!("{failure}");
        }
        step.done("measured");
        Ok(())
    }

    fn write(&self, name: &str, measured: &Measured) -> Result<ExitCode> {
        let report = measured.report();
        let folder = workspace::root().join("target/bench");
        fs::create_dir_all(&folder)?;
        let list = format!("{:#}\n", report.to_json());
        let file = folder.join(format!("{name}.json"));
        fs::write(&file, &list)?;
        let mut files = vec![file];
        files.extend(plots::draw(&measured.series, &folder, name)?);
        print!("{}", if self.json { list } else { report.to_table() });
        for file in files {
            note(format!("written: {}", workspace::short(&file)));
        }
        Ok(if report.is_ok_but_for(&self.pending) {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

/// Whether EL2 says that a guest gave up, panicked or was stopped, which is after all that the guest itself has
/// said; or a guest says so itself, whom Linux would have powered off as if all were well.
fn ends_badly(line: &Line) -> bool {
    let (level, message) = match line {
        Line::Log { level, message, .. } => (level, message),
        Line::Guest { text, .. } => return linux_run::failed(text),
        Line::Text(_) | Line::Damaged { .. } => return false,
    };
    let exited = message.rsplit_once("exit code ");
    level.eq_ignore_ascii_case("error") || exited.is_some_and(|(_, code)| code != "0")
}

/// Boots in the host's time, at most. On a shared machine there are minutes in which instructions take
/// up to twice as long, and what waits for another core's cache does not; a boot takes a second.
const TIME_BOOTS: u32 = 6;
/// By how much each wait for a quieter moment is longer than the one before, the first of which is none.
const LULL: Duration = Duration::from_secs(10);
/// Lines shown of a boot that failed.
const TAIL: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_ends_with_the_first_guest_that_fails() {
        let log = |level: &str, message: &str| Line::Log {
            time: None,
            core: None,
            level: level.to_owned(),
            message: message.to_owned(),
        };
        assert!(ends_badly(&log("info", "bob: exit code 101")));
        assert!(ends_badly(&log("error", "bob: stopped: a data abort")));
        for message in ["alice: exit code 0", "bob: off", "all guests are off"] {
            assert!(!ends_badly(&log("info", message)), "{message}");
        }
        let text = "exit code 1".to_owned();
        assert!(!ends_badly(&Line::Guest { index: 0, text }));
    }
}
