//! What was said in a run, in files: each guest's console as it came, and Unimux's log.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::console::Line;
use crate::terminal::Screen;
use crate::workspace;

/// The files of a run, which begin anew with each.
pub(crate) struct LogFiles {
    folder: PathBuf,
    screen: Screen,
    guests: Vec<File>,
    log: File,
}

impl LogFiles {
    /// Files for the scenario called `scenario`, a name or a path, with these guests.
    pub(crate) fn create(scenario: &str, guests: &[String]) -> Result<Self> {
        let name = Path::new(scenario).file_stem().unwrap_or_default();
        Self::below(&workspace::root().join("target/log").join(name), guests)
    }

    fn below(folder: &Path, guests: &[String]) -> Result<Self> {
        let create = |name: &str| {
            let path = folder.join(format!("{}.log", name.replace('/', "_")));
            File::create(&path).with_context(|| workspace::short(&path))
        };
        fs::create_dir_all(folder).with_context(|| workspace::short(folder))?;
        Ok(Self {
            folder: folder.to_owned(),
            screen: Screen::plain(guests.to_vec()),
            guests: guests.iter().map(|it| create(it)).collect::<Result<_>>()?,
            log: create("unimux")?,
        })
    }

    /// Where they are, for people.
    pub(crate) fn place(&self) -> String {
        workspace::short(&self.folder)
    }

    /// A line of the run: those that are no guest's are kept.
    pub(crate) fn line(&mut self, line: &Line) {
        if !matches!(line, Line::Guest { .. }) {
            // A disk that is full is no reason to fail the run.
            let _ = writeln!(self.log, "{}", self.screen.text(line));
        }
    }

    /// Bytes of a guest's console.
    pub(crate) fn bytes(&mut self, guest: usize, bytes: &[u8]) {
        if let Some(file) = self.guests.get_mut(guest) {
            let _ = file.write_all(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_file_that_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["alice", "../b"].map(str::to_owned);
        for word in ["first", "second"] {
            let mut files = LogFiles::below(folder.path(), &names).unwrap();
            files.bytes(0, format!("{word}\x1b[m\r\n").as_bytes());
            files.bytes(1, b"$ ");
            files.bytes(2, b"nobody");
            files.line(&Line::Text(word.into()));
        }
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(read("alice.log"), "second\x1b[m\r\n");
        assert_eq!(read(".._b.log"), "$ ");
        assert_eq!(read("unimux.log"), "second\n");
    }
}
