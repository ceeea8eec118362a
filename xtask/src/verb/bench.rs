//! `cargo xtask bench`.

use std::fs;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};

use super::{build::DEFAULT_BOARD, setup, size};
use crate::artifacts::Profile;
use crate::board::Board;
use crate::launch::{Clock, Kit, Order};
use crate::metrics::{IDLE_RATIO, IMAGE_BYTES, Measured, TEXT_BYTES};
use crate::scenario_file::ScenarioFile;
use crate::terminal::{Screen, Step, note};
use crate::{elf, plots, workspace};

/// Measures what Unimux promises, and says whether it holds.
///
/// QEMU counts instructions instead of time, so the numbers do not depend on how busy this machine
/// is, and two runs give the same. All that is compared is measured in one boot, side by side; what
/// idle functions cost is the ratio of two more boots of scenario bench-cost, without and with them.
///
/// The table goes to standard output, a list of {metric, value, unit, limit, ok} to
/// target/bench/<board>.json, plots to target/bench/*.svg. Exit code 1 if a limit is broken or a
/// number is missing.
#[derive(clap::Args)]
pub(crate) struct Bench {
    /// The board: a folder of bsp/.
    #[arg(long, default_value = DEFAULT_BOARD)]
    board: String,
    /// Print the list instead of the table.
    #[arg(long)]
    json: bool,
    /// In the host's time: for a quiet machine with as many cores as the scenario.
    #[arg(long)]
    realtime: bool,
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
        let all = ScenarioFile::load("bench")?;
        let few = ScenarioFile::load("bench-cost")?;
        let mut many = few.clone();
        many.idle_functions = MANY - u32::try_from(many.guests.len())?;
        let kit = Kit::build(board, Profile::Release, &[&all, &few])?;

        let mut measured = self.boot(&kit, &all, &all.description)?;
        let [text, image] = size::totals(&elf::sections(&fs::read(&kit.unimux.elf)?)?);
        measured.set(TEXT_BYTES, text as f64, "bytes");
        measured.set(IMAGE_BYTES, image as f64, "bytes");
        let few = self.boot(&kit, &few, "the cost of a request, no idle function")?;
        let many = self.boot(&kit, &many, &format!("the same with {MANY} functions"))?;
        if let Some(ratio) = many.cost_ratio(&few) {
            measured.set(IDLE_RATIO, ratio, "ratio");
        }
        self.write(&kit, &measured)
    }

    fn boot(&self, kit: &Kit, scenario: &ScenarioFile, what: &str) -> Result<Measured> {
        let order = Order {
            kit,
            scenario,
            clock: if self.realtime {
                Clock::Host
            } else {
                Clock::Instructions
            },
            // The same keys each time: the same instructions each time.
            seed: Some(1),
            cores: None,
            memory_mib: None,
            arguments: vec![],
        };
        let mut measured = Measured::default();
        let screen = Screen::new(scenario.names(), false);
        let mut lines = Vec::new();
        let step = Step::begin(format!("Measuring: {what}"));
        let outcome = order.run(Some(Duration::from_secs(self.timeout)), |line| {
            if let Some(metric) = measured.take(&line) {
                step.detail(metric);
            }
            if self.verbose {
                screen.show(&line);
            }
            lines.push(line);
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
        Ok(measured)
    }

    fn write(&self, kit: &Kit, measured: &Measured) -> Result<ExitCode> {
        let report = measured.report();
        let folder = workspace::root().join("target/bench");
        fs::create_dir_all(&folder)?;
        let list = format!("{:#}\n", report.to_json());
        let file = folder.join(format!("{}.json", kit.board.name));
        fs::write(&file, &list)?;
        let mut files = vec![file];
        files.extend(plots::draw(&measured.series, &folder, &kit.board.name)?);
        print!("{}", if self.json { list } else { report.to_table() });
        for file in files {
            note(format!("written: {}", workspace::short(&file)));
        }
        Ok(if report.is_ok() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

/// Lines shown of a boot that failed.
const TAIL: usize = 40;
