//! What flash makes, tried: read by tools of others, and started by a real U-Boot in QEMU.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::card::PARTITION_AT;
use super::job::{Job, Next, Options};
use super::target::Target;
use super::{Package, follow, script};
use crate::console::Line;
use crate::kvm_host;
use crate::launch::{Kit, Order, log_table};
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
    /// Tries it.
    pub(crate) run: fn(&Stage) -> Result<Tried>,
}

/// All of them.
pub(crate) const PROOFS: [Proof; 4] = [
    Proof {
        name: "flash_others_read_the_card",
        sentence: "mtools find every file on the card as it was made, dumpimage every part in them",
        run: others_read_the_card,
    },
    Proof {
        name: "flash_a_board_boots_from_the_card",
        sentence: "U-Boot finds the script on the card by itself, and the scenario runs to its end",
        run: boots_from_the_card,
    },
    Proof {
        name: "flash_a_board_boots_from_the_network",
        sentence: "U-Boot finds the script by DHCP and TFTP, and the scenario runs to its end",
        run: boots_from_the_network,
    },
    Proof {
        name: "flash_a_board_takes_it_over_its_console",
        sentence: "U-Boot takes the image by YMODEM, and its console is followed to the scenario's end",
        run: takes_it_over_its_console,
    },
];

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

    fn boot(&self, start: Start) -> Result<Tried> {
        let kit = Kit {
            start,
            ..self.kit.clone()
        };
        let mut lines = Vec::new();
        let outcome =
            Order::plain(&kit, self.scenario).run(Some(LIMIT), |line| lines.push(line))?;
        Ok((lines, outcome.failure()))
    }
}

fn others_read_the_card(stage: &Stage) -> Result<Tried> {
    let card = stage.card()?;
    let partition = format!("{}@@{PARTITION_AT}", card.display());
    let copy = stage.folder.join("copy");
    for file in stage.package.files() {
        let _ = fs::remove_file(&copy);
        let mut mcopy = MCOPY.command();
        mcopy
            .args(["-i", &partition, &format!("::{}", file.name)])
            .arg(&copy);
        tools::quietly(&mut mcopy)?;
        if fs::read(&copy)? != file.data {
            return Ok((vec![], Some(format!("mcopy reads another {}", file.name))));
        }
        // It exits with an error for what it does not take.
        let mut dumpimage = Command::new("dumpimage");
        tools::quietly(dumpimage.arg("-l").arg(&copy)).with_context(|| file.name.clone())?;
    }
    Ok((vec![], None))
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
    arguments.extend(kvm_host::console_arguments(false, "pty"));
    let command = qemu::command(&kit.board.machine()?.binary, &arguments);
    let (send, receive) = mpsc::channel();
    let board = thread::spawn(move || {
        let mut said = String::new();
        qemu::run(command, Some(LIMIT), |bytes| {
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
