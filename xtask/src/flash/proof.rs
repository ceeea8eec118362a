//! What flash makes, tried: read by tools of others, and started by a real U-Boot in QEMU.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use dtoolkit::fdt::Fdt;
use dtoolkit::{Node, Property};

use super::card::PARTITION_AT;
use super::job::{Job, Next};
use super::options::Options;
use super::target::Target;
use super::{Package, follow, script};
use crate::board::Board;
use crate::console::Line;
use crate::launch::{Kit, Order, log_table};
use crate::linux_run;
use crate::machine_tree::loaded;
use crate::qemu;
use crate::scenario_file::ScenarioFile;
use crate::start::{self, Start};
use crate::tools::{self, MCOPY, MKIMAGE, SB, Tool};

/// What the proofs take beside QEMU.
pub(crate) const TOOLS: [Tool; 3] = [MKIMAGE, MCOPY, SB];

/// How long a board may take to the end of the main job.
const LIMIT: Duration = Duration::from_secs(240);

/// The lines of a run, and why it failed if it did.
pub(crate) type Tried = (Vec<Line>, Option<String>);

/// A proof: what it shows, and how.
pub(crate) struct Proof {
    /// Its name among the tests.
    pub(crate) name: &'static str,
    /// What it shows.
    pub(crate) sentence: &'static str,
    /// Whether it can be tried on a board.
    on: fn(&Board) -> bool,
    /// Tries it.
    pub(crate) run: fn(&Stage) -> Result<Tried>,
}

/// All of them.
const PROOFS: [Proof; 5] = [
    Proof {
        name: "flash_others_read_the_card",
        sentence: "mtools find every file on the card as it was made, dumpimage every part in them",
        on: |_| true,
        run: others_read_the_card,
    },
    Proof {
        name: "flash_what_the_card_has_runs",
        sentence: "put where the card's FIT image says, its parts run the scenario on all the board's RAM",
        on: |board| board.device_tree_address.is_some(),
        run: what_the_card_has_runs,
    },
    Proof {
        name: "flash_a_board_boots_from_the_card",
        sentence: "U-Boot finds the script on the card by itself, and the scenario runs to its end",
        on: has_u_boot,
        run: boots_from_the_card,
    },
    Proof {
        name: "flash_a_board_boots_from_the_network",
        sentence: "U-Boot finds the script by DHCP and TFTP, and the scenario runs to its end",
        on: has_u_boot,
        run: boots_from_the_network,
    },
    Proof {
        name: "flash_a_board_takes_it_over_its_console",
        sentence: "U-Boot takes the image by YMODEM, and its console is followed to the scenario's end",
        on: has_u_boot,
        run: takes_it_over_its_console,
    },
];

/// Those that can be tried on a board, and have `filter` in their names.
pub(crate) fn all(board: &Board, filter: Option<&str>) -> impl Iterator<Item = &'static Proof> {
    let wanted = move |it: &&Proof| filter.is_none_or(|filter| it.name.contains(filter));
    PROOFS.iter().filter(|it| (it.on)(board)).filter(wanted)
}

/// Whether Debian has a U-Boot for it.
fn has_u_boot(board: &Board) -> bool {
    board.qemu.as_ref().is_some_and(|it| it.u_boot.is_some())
}

/// What the proofs are played with.
pub(crate) struct Stage<'a> {
    /// What was built.
    pub(crate) kit: &'a Kit,
    /// What runs.
    pub(crate) scenario: &'a ScenarioFile,
    /// What is flashed.
    pub(crate) package: &'a Package,
    /// A folder for it.
    pub(crate) folder: &'a Path,
}

impl Stage<'_> {
    fn flash(&self, to: Target) -> Result<Next> {
        let job = Job {
            options: &Options::quiet(to),
            board: &self.kit.board,
            package: self.package,
            folder: self.folder,
        };
        job.run()
    }

    fn card(&self) -> Result<PathBuf> {
        let card = self.folder.join("card.img");
        self.flash(Target::Image(card.clone()))?;
        Ok(card)
    }

    /// A file of the card, by mtools.
    fn taken_from(&self, card: &Path, name: &str) -> Result<PathBuf> {
        let copy = self.folder.join("copy");
        let _ = fs::remove_file(&copy);
        let partition = format!("{}@@{PARTITION_AT}", card.display());
        let mut mcopy = MCOPY.command();
        mcopy.args(["-i", &partition, &format!("::{name}")]);
        tools::quietly(mcopy.arg(&copy))?;
        Ok(copy)
    }

    fn boot(&self, start: Start) -> Result<Tried> {
        let kit = Kit {
            start,
            ..self.kit.clone()
        };
        let ram: u64 = kit.board.ram.iter().map(|[_, bytes]| bytes >> 20).sum();
        let mut order = Order::plain(&kit, self.scenario);
        // A board's own tree says how much it has; a simulator has what it is given.
        order.memory_mib = kit.board.device_tree().map(|_| ram);
        let mut lines = Vec::new();
        let mut is_over = false;
        let outcome = order.run(Some(LIMIT), |line| {
            is_over |= follow::end(&line) == Some(true);
            lines.push(line);
        })?;
        // Without somebody to be told the exit code, the log has to say it.
        let not_over = || (!is_over).then(|| "the log does not say that all went well".to_owned());
        Ok((lines, outcome.failure().or_else(not_over)))
    }
}

fn others_read_the_card(stage: &Stage) -> Result<Tried> {
    let card = stage.card()?;
    for file in stage.package.files() {
        let copy = stage.taken_from(&card, &file.name)?;
        if fs::read(&copy)? != file.data {
            return Ok((vec![], Some(format!("mcopy reads another {}", file.name))));
        }
        // It exits with an error for what it does not take.
        let mut dumpimage = Command::new("dumpimage");
        tools::quietly(dumpimage.arg("-l").arg(&copy)).with_context(|| file.name.clone())?;
    }
    Ok((vec![], None))
}

fn what_the_card_has_runs(stage: &Stage) -> Result<Tried> {
    let fit = fs::read(stage.taken_from(&stage.card()?, script::FIT_FILE)?)?;
    let fit = Fdt::new(&fit).context("the FIT image")?;
    let images = fit.find_node("/images").context("it has images")?;
    let mut arguments = Vec::new();
    for image in images.children() {
        let property = |name: &str| {
            let value = image.property(name).map(|it| it.value().to_vec());
            value.with_context(|| format!("{} has no {name}", image.name()))
        };
        let file = stage.folder.join(image.name());
        fs::write(&file, property("data")?)?;
        let address = u64::from_be_bytes(property("load")?.as_slice().try_into()?);
        let start = if image.property("entry").is_some() {
            ",cpu-num=0"
        } else {
            ""
        };
        arguments.extend(loaded(&file, address, start));
        if property("type")? == b"flat_dt\0" {
            // Where QEMU cannot say in x0 where it is, as U-Boot does.
            let known = stage.kit.board.device_tree_address;
            arguments.extend(known.into_iter().flat_map(|it| loaded(&file, it, "")));
        }
    }
    stage.boot(Start::Loaded(arguments))
}

fn boots_from_the_card(stage: &Stage) -> Result<Tried> {
    stage.boot(Start::Card {
        u_boot: start::u_boot(&stage.kit.board)?,
        card: stage.card()?,
    })
}

fn boots_from_the_network(stage: &Stage) -> Result<Tried> {
    let folder = stage.folder.join("tftp");
    fs::create_dir_all(&folder)?;
    stage.flash(Target::Tftp(folder.clone()))?;
    stage.boot(Start::Network {
        u_boot: start::u_boot(&stage.kit.board)?,
        folder,
        script: script::FILE,
    })
}

fn takes_it_over_its_console(stage: &Stage) -> Result<Tried> {
    let kit = Kit {
        start: Start::Prompt(start::u_boot(&stage.kit.board)?),
        ..stage.kit.clone()
    };
    let mut arguments = Order::plain(&kit, stage.scenario).arguments()?;
    arguments.extend(linux_run::console_arguments(false, "pty"));
    let command = qemu::command(&kit.board.machine()?.binary, &arguments);
    let (send, receive) = mpsc::channel();
    let board = thread::spawn(move || {
        let mut said = String::new();
        qemu::run(command, None, Some(LIMIT), |bytes| {
            said += &String::from_utf8_lossy(bytes);
            if let Some(port) = terminal(&said) {
                // Whoever does not listen any more has failed already.
                let _ = send.send(port);
            }
            ControlFlow::Continue(())
        })
    });
    let port = receive
        .recv_timeout(Duration::from_secs(20))
        .context("QEMU names no terminal")?;
    let Next::Console(mut console) = stage.flash(Target::Serial(port))? else {
        bail!("a console leads to a console");
    };
    let table = log_table(&kit.unimux)?;
    let mut lines = Vec::new();
    let guests = stage.scenario.guests.len();
    let is_well = follow::follow(&mut console, table.as_ref(), guests, |line| {
        lines.push(line)
    })?;
    drop(console);
    let ended = board
        .join()
        .map_err(|_| anyhow::anyhow!("the thread of QEMU failed"))??;
    let failure = (!is_well).then(|| format!("the run failed, QEMU ended with {ended:?}"));
    Ok((lines, failure))
}

/// The terminal that QEMU says it made.
fn terminal(said: &str) -> Option<PathBuf> {
    let (_, rest) = said.split_once("redirected to ")?;
    let (path, _) = rest.split_once(' ')?;
    Some(path.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_terminal_is_known_when_its_name_is_whole() {
        let said = "char device redirected to /dev/pts/5 (label console)\n";
        assert_eq!(terminal(said), Some("/dev/pts/5".into()));
        assert_eq!(terminal("char device redirected to /dev/pt"), None);
    }
}
