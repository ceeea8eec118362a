//! One flashing: says what it will do, does it, and says what comes next.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tempfile::NamedTempFile;

use super::boot_bin;
use super::card::{self, CardFile};
use super::disk::Disk;
use super::options::Options;
use super::report::Report;
use super::serial::Port;
use super::target::Target;
use super::{Package, jtag, script, write};
use crate::board::Board;
use crate::terminal::{Step, note};

/// What flashing leaves to do.
#[derive(Debug)]
pub(crate) enum Next {
    /// Nothing that this program could.
    Done,
    /// The card's image can be booted.
    Image(PathBuf),
    /// The board runs, and this is its console.
    Console(Port),
}

/// What is put where.
pub(crate) struct Job<'a> {
    /// How.
    pub(crate) options: &'a Options,
    /// For whom.
    pub(crate) board: &'a Board,
    /// What.
    pub(crate) package: &'a Package,
    /// Where files are made.
    pub(crate) folder: &'a Path,
}

impl Job<'_> {
    /// Does it.
    pub(crate) fn run(&self) -> Result<Next> {
        match &self.options.to {
            Target::Image(path) => self.image(path),
            Target::Disk(path) => self.disk(path),
            Target::Tftp(folder) => self.tftp(folder),
            Target::Serial(port) => self.serial(port),
            Target::Jtag => self.jtag(),
        }
    }

    fn image(&self, path: &Path) -> Result<Next> {
        let (files, report) = self.card()?;
        if self.announce(&report) {
            return Ok(Next::Done);
        }
        let step = Step::begin(format!("Making {}", path.display()));
        // A file beside it, so that there is never half of one under its name.
        let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
        let mut image = NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
        card::build(image.as_file_mut(), &files)?;
        image.as_file().sync_all()?;
        image.persist(path)?;
        step.done("made");
        Ok(Next::Image(path.to_owned()))
    }

    fn disk(&self, path: &Path) -> Result<Next> {
        let (files, mut report) = self.card()?;
        let bytes = card::disk_bytes(&files);
        let disk = Disk::at(path)?;
        disk.check(bytes, self.options.force)?;
        report.disk(&disk);
        if self.announce(&report) || !self.confirmed(&disk)? {
            return Ok(Next::Done);
        }
        let mut image = tempfile::tempfile_in(self.folder)?;
        card::build(&mut image, &files)?;
        // Somebody may have mounted it, or put in another, while the question was open.
        let again = Disk::at(path)?;
        if again != disk {
            bail!(
                "{} is not what it was any more: repeat the command",
                path.display()
            );
        }
        write::disk(&mut image, path)?;
        note(format!(
            "\n{} can be taken out. Put it into the board, have the board boot from it, and switch it on.",
            path.display()
        ));
        Ok(Next::Done)
    }

    fn tftp(&self, folder: &Path) -> Result<Next> {
        let files = self.package.files();
        let mut report = self.report(&files);
        report.typed(script::over_network(self.package.layout.fit));
        report.note(format!(
            "Where the DHCP server names this one as the boot server, the board finds {} by itself.",
            script::FILE
        ));
        if !self.announce(&report) {
            for file in &files {
                let path = folder.join(&file.name);
                fs::write(&path, &file.data).with_context(|| path.display().to_string())?;
            }
        }
        Ok(Next::Done)
    }

    fn serial(&self, port: &Path) -> Result<Next> {
        let fit = self.fit_file()?;
        let at = self.package.layout.fit;
        let mut report = self.report(&[]);
        report.runs(format!(
            "at U-Boot's prompt: loady {at:#x}, and here: sb --ymodem {}",
            fit.display()
        ));
        report.typed([script::start(at)]);
        let baud = self.board.flash.baud.unwrap_or(BAUD);
        // A byte is ten bits on the line.
        let seconds = self.package.fit.len() as u64 * 10 / u64::from(baud);
        report.note(format!(
            "At {baud} bits per second this takes at least {seconds} s: a smaller --payload takes less."
        ));
        if self.announce(&report) {
            return Ok(Next::Done);
        }
        let mut console = Port::open(port, baud)?;
        console.send(port, &fit, at)?;
        console.type_line(&script::start(at))?;
        Ok(Next::Console(console))
    }

    fn jtag(&self) -> Result<Next> {
        let at = self.package.layout.fit;
        let arguments = jtag::arguments(&self.board.flash.openocd, &self.fit_file()?, at);
        let mut report = self.report(&[]);
        report.runs(jtag::shown(&arguments));
        report.typed([script::start(at)]);
        report.note(
            "U-Boot has to stand at its prompt. Without firmware a board is not started by its debug \
             port here.",
        );
        if self.announce(&report) {
            return Ok(Next::Done);
        }
        jtag::load(&arguments)?;
        let Some(console) = &self.options.console else {
            return Ok(Next::Done);
        };
        let mut console = Port::open(console, self.board.flash.baud.unwrap_or(BAUD))?;
        console.prompt()?;
        console.type_line(&script::start(at))?;
        Ok(Next::Console(console))
    }

    /// What is on a card, and the report of it.
    fn card(&self) -> Result<(Vec<CardFile>, Report)> {
        let mut files = self.package.files();
        let chip = self.board.flash.bootgen.as_deref();
        let boot_bin = self.options.firmware.bring(chip, self.folder)?;
        let has_none = boot_bin.is_none();
        files.extend(boot_bin.map(|data| CardFile {
            name: boot_bin::FILE.to_owned(),
            data,
        }));
        let mut report = self.report(&files);
        if has_none && chip.is_some() {
            report.note(boot_bin::ABSENT);
        }
        Ok((files, report))
    }

    fn report(&self, files: &[CardFile]) -> Report {
        Report::new(
            self.package,
            &self.options.to.to_string(),
            files,
            self.options.dry_run,
        )
    }

    /// Shows what is going to be done; whether that was all.
    fn announce(&self, report: &Report) -> bool {
        if !self.options.quiet {
            report.show(self.options.json);
        }
        self.options.dry_run
    }

    fn fit_file(&self) -> Result<PathBuf> {
        let path = self.folder.join(script::FIT_FILE);
        fs::write(&path, &self.package.fit)?;
        Ok(path)
    }

    /// Whether the user wants the disk to be overwritten.
    fn confirmed(&self, disk: &Disk) -> Result<bool> {
        if self.options.yes {
            return Ok(true);
        }
        if !io::stdin().is_terminal() {
            bail!(
                "nobody can be asked whether /dev/{} may be overwritten: --yes says so",
                disk.name
            );
        }
        eprint!(
            "All that is on /dev/{} ({}) is lost. Type its name to go on: ",
            disk.name, disk.model
        );
        io::stderr().flush()?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        let answer = answer.trim();
        let is_name = answer == disk.name || answer.strip_prefix("/dev/") == Some(&disk.name);
        if !is_name {
            note("Nothing was written.");
        }
        Ok(is_name)
    }
}

/// What most boards' consoles have.
const BAUD: u32 = 115_200;
