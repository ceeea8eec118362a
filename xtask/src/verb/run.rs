//! `cargo xtask run`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::{build::DEFAULT_BOARD, setup};
use crate::artifacts::Profile;
use crate::board::Board;
use crate::launch::{Clock, Kit, Order};
use crate::linux_run::{LinuxFiles, OwnFiles};
use crate::qemu::End;
use crate::scenario_file::ScenarioFile;
use crate::session::{self, Session, Wanted};
use crate::start::{self, Start};
use crate::terminal;
use crate::typist::Cue;

/// Seconds until a run is stopped, if nobody is there to do it.
const LIMIT_SECONDS: u64 = 180;

/// Runs a scenario in QEMU and shows each guest's lines under its name.
///
/// The default scenario, pair, is the main job: guest alice moves a file to guest bob through one
/// RDMA engine and reads it back, bob computes its SHA-256, and both hammer each other with small
/// operations. The exit code is 0 only if all of it is right: it is the code that EL2 ends the run
/// with (1: a guest failed; 101: Unimux failed), or 124 if the time is over.
///
/// On a terminal, Ctrl-A and a key choose what it shows, and whose console is typed to: 1 the first guest, 2
/// the second, and so on; 0 all, prefixed by their names; e Unimux's own log; q ends the run. Elsewhere all is
/// shown. What each said is kept in target/log, in any case.
///
///   cargo xtask run --payload some.file
///   cargo xtask run --scenario linux-shell      two Debian guests with shells
///   cargo xtask run --scenario my/scenario.toml --icount
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Run {
    /// The board: a folder of bsp/.
    #[arg(long, default_value = DEFAULT_BOARD)]
    board: String,
    /// A scenario of xtask/scenarios, or the path of a .toml file.
    #[arg(long, default_value = "pair")]
    scenario: String,
    /// The file that the guests move [default: the ELF file of Unimux].
    #[arg(long, value_name = "FILE")]
    payload: Option<PathBuf>,
    #[command(flatten)]
    own: OwnFiles,
    /// Without overflow checks and debug assertions.
    #[arg(long)]
    release: bool,
    /// Deterministic: one instruction takes one nanosecond, cores take turns.
    #[arg(long)]
    icount: bool,
    /// Seconds until a run that does not end is stopped [default: 180; none with somebody at the terminal].
    #[arg(long)]
    timeout: Option<u64>,
    /// Type standard input, if it is no terminal, into the console of this guest.
    #[arg(long, value_name = "GUEST")]
    input: Option<String>,
    /// When GUEST prints AFTER, type TEXT (with \r for Return) into its console. May be repeated.
    #[arg(long = "type", value_name = "GUEST: AFTER: TEXT", value_parser = Cue::parse)]
    typed: Vec<Cue>,
    /// Number of cores [default: what the board says].
    #[arg(long)]
    cores: Option<u32>,
    /// Memory in MiB [default: what the board says].
    #[arg(long, value_name = "MIB")]
    memory: Option<u64>,
    /// Let U-Boot (Debian's, brought on first use) start the image with booti, as on a board.
    #[arg(long)]
    u_boot: bool,
    /// One JSON object per line.
    #[arg(long)]
    json: bool,
    /// Wait for a debugger on TCP port 1234 before the first instruction; no time limit.
    #[arg(long)]
    gdb: bool,
}

impl Run {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let board = Board::load(&self.board)?;
        let mut scenario = ScenarioFile::load(&self.scenario)?;
        scenario.typed = self.typed;
        setup::ensure(&board)?;
        let mut kit = Kit::build(board, Profile::from_flag(self.release), &[&scenario])?;
        kit.payload = self.payload.map(std::path::absolute).transpose()?;
        kit.linux = LinuxFiles::bring(&scenario, &self.own, &kit.payload())?;
        if self.u_boot {
            kit.start = Start::UBoot(start::u_boot(&kit.board)?);
        }
        let mut order = Order {
            cores: self.cores,
            memory_mib: self.memory,
            ..Order::plain(&kit, &scenario)
        };
        if self.icount {
            order.clock = Clock::Instructions;
        }
        if self.gdb {
            order.arguments = vec!["-s".into(), "-S".into()];
        }
        terminal::note(format!(
            "Running {}: {}",
            self.scenario, scenario.description
        ));
        if self.gdb {
            terminal::note(format!(
                "QEMU waits: gdb-multiarch {} -ex 'target remote :1234'",
                kit.unimux.elf.display()
            ));
        }
        let patient = self.gdb || session::has_person(self.json);
        let limit = self.timeout.or((!patient).then_some(LIMIT_SECONDS));
        let limit = limit.map(Duration::from_secs);
        let (typed, wire) = mpsc::channel();
        let wanted = Wanted {
            scenario: &self.scenario,
            json: self.json,
            input: self.input.as_deref(),
        };
        let mut session = Session::begin(wanted, scenario.names(), typed.clone())?;
        let outcome = order.run_with(limit, (typed, wire), |heard| session.hear(heard));
        let logs = session.end();
        let outcome = outcome?;
        if self.json {
            let failure = outcome.failure();
            println!(
                "{}",
                json!({ "end": format!("{:?}", outcome.end), "failure": failure })
            );
        } else if outcome.end == End::Stopped {
            terminal::note("\nEnded by a key, before the guests were off.");
        } else if let Some(failure) = outcome.failure() {
            terminal::note(format!("\nFailed: {failure}"));
        } else {
            terminal::note("\nAll guests ended well.");
        }
        if !self.json {
            terminal::note(format!("What each said: {logs}"));
        }
        Ok(outcome.exit_code())
    }
}
