//! `cargo xtask flash`.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};

use super::{build::DEFAULT_BOARD, setup};
use crate::artifacts::Profile;
use crate::board::Board;
use crate::flash::job::{Job, Next};
use crate::flash::options::Options;
use crate::flash::target::Target;
use crate::flash::{Package, follow};
use crate::launch::{Kit, Order, log_table};
use crate::linux_run::{LinuxFiles, OwnFiles};
use crate::scenario_file::ScenarioFile;
use crate::start::{self, Start};
use crate::terminal::{Screen, note};
use crate::tools;

/// Puts a scenario on a board: on a card that it boots from, or into its RAM by a cable.
///
/// The board's U-Boot starts it. What U-Boot gets is one FIT image (the EL2 image, the device tree with
/// the scenario, the guests' files, each with its SHA-256) and a boot script that U-Boot's own
/// distribution boot finds on a card or by DHCP. A target is one of
///
///   FILE.img             an image of a card; dd or any card writer takes it
///   /dev/sdX             a card: all that is on it is lost; what is written is read back
///   jtag                 RAM, by OpenOCD and the board's debug port; U-Boot is at its prompt
///   serial:/dev/ttyUSB0  RAM, by YMODEM over the console; U-Boot is at its prompt
///   tftp:DIR             the files for a TFTP server, and what to type
///
/// A disk is never taken that is mounted, swap, part of something, or too small; one that cannot be
/// taken out or has more than 64 GiB only with --force. Nothing needs root but /dev.
///
///   cargo xtask flash --board zcu102 --to /dev/sdb --dry-run
///   cargo xtask flash --board zcu102 --to /dev/sdb
///   cargo xtask flash --to card.img --boot      # and have QEMU boot it, through U-Boot
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Flash {
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
    options: Options,
    /// With FILE.img: have QEMU boot it then, through U-Boot; exit codes are those of run.
    #[arg(long)]
    boot: bool,
    /// Seconds until a run of --boot is stopped.
    #[arg(long, default_value_t = 180)]
    timeout: u64,
}

impl Flash {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let board = Board::load(&self.board)?;
        let scenario = ScenarioFile::load(&self.scenario)?;
        self.options.check(&board)?;
        if self.boot && !matches!(self.options.to, Target::Image(_)) {
            bail!("--boot boots an image: --to FILE.img");
        }
        let u_boot = self.boot.then(|| start::u_boot(&board)).transpose()?;
        setup::ensure(&board)?;
        tools::ensure(&board.target, &self.options.tools())?;
        let mut kit = Kit::build(board, Profile::Release, &[&scenario])?;
        kit.payload = self.payload.map(std::path::absolute).transpose()?;
        kit.linux = LinuxFiles::bring(&scenario, &OwnFiles::default(), &kit.payload())?;
        let folder = Order::plain(&kit, &scenario).folder()?.join("flash");
        fs::create_dir_all(&folder)?;
        let package = Package::make(&Order::plain(&kit, &scenario), &self.scenario, &folder)?;
        let job = Job {
            options: &self.options,
            board: &kit.board,
            package: &package,
            folder: &folder,
        };
        let screen = Screen::new(scenario.names(), self.options.json);
        match (job.run()?, u_boot) {
            (Next::Image(card), Some(u_boot)) => {
                kit.start = Start::Card { u_boot, card };
                let limit = Some(Duration::from_secs(self.timeout));
                let outcome =
                    Order::plain(&kit, &scenario).run(limit, |line| screen.show(&line))?;
                let failure = outcome.failure();
                note(failure.as_deref().unwrap_or("\nAll guests ended well."));
                Ok(outcome.exit_code())
            }
            (Next::Console(mut port), _) => {
                let table = log_table(&kit.unimux)?;
                let guests = scenario.names().len();
                let is_well =
                    follow::follow(&mut port, table.as_ref(), guests, |line| screen.show(&line))?;
                Ok(if is_well {
                    ExitCode::SUCCESS
                } else {
                    ExitCode::FAILURE
                })
            }
            _ => Ok(ExitCode::SUCCESS),
        }
    }
}
