//! What flash does, said before it does it: for people, or as JSON.

use std::fmt::{self, Display};

use serde::Serialize;

use super::Package;
use super::card::CardFile;
use super::disk::Disk;

/// What goes where.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    description: String,
    target: String,
    /// What U-Boot copies where.
    memory: Vec<Placed>,
    /// Where U-Boot reads the FIT image to.
    fit_address: u64,
    files: Vec<FileEntry>,
    /// The disk that is overwritten.
    #[serde(skip_serializing_if = "Option::is_none")]
    disk: Option<Disk>,
    /// What xtask runs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    runs: Vec<String>,
    /// What the user types at U-Boot's prompt.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    typed: Vec<String>,
    /// What to know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    dry_run: bool,
}

#[derive(Clone, Debug, Serialize)]
struct Placed {
    what: String,
    address: u64,
    bytes: usize,
}

#[derive(Clone, Debug, Serialize)]
struct FileEntry {
    name: String,
    bytes: usize,
}

impl Report {
    /// Of what was made, and the files that are written for it.
    pub(crate) fn new(package: &Package, target: &str, files: &[CardFile], dry_run: bool) -> Self {
        let placed = package.parts.iter().map(|part| Placed {
            what: part.description.clone(),
            address: part.load,
            bytes: part.data.len(),
        });
        let files = files.iter().map(|file| FileEntry {
            name: file.name.clone(),
            bytes: file.data.len(),
        });
        Self {
            description: package.description.clone(),
            target: target.to_owned(),
            memory: placed.collect(),
            fit_address: package.layout.fit,
            files: files.collect(),
            disk: None,
            runs: vec![],
            typed: vec![],
            notes: vec![],
            dry_run,
        }
    }

    /// This disk is overwritten.
    pub(crate) fn disk(&mut self, disk: &Disk) {
        self.disk = Some(disk.clone());
    }

    /// This command is run.
    pub(crate) fn runs(&mut self, command: String) {
        self.runs.push(command);
    }

    /// These commands are for U-Boot's prompt.
    pub(crate) fn typed(&mut self, commands: impl IntoIterator<Item = String>) {
        self.typed.extend(commands);
    }

    /// This is to be known.
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Shows it.
    pub(crate) fn show(&self, json: bool) {
        if json {
            println!("{}", serde_json::json!(self));
        } else {
            println!("{self}");
        }
    }
}

impl Display for Report {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(to, "{}\n", self.description)?;
        writeln!(
            to,
            "  {:44} {:>12} {:>12}",
            "in RAM, put there by U-Boot", "address", "bytes"
        )?;
        for part in &self.memory {
            writeln!(
                to,
                "  {:44} {:>#12x} {:>12}",
                part.what, part.address, part.bytes
            )?;
        }
        writeln!(
            to,
            "\n  {:44} {:>12} {:>12}",
            format!("to {}", self.target),
            "",
            "bytes"
        )?;
        for file in &self.files {
            writeln!(to, "  {:57} {:>12}", file.name, file.bytes)?;
        }
        if let Some(disk) = &self.disk {
            let gigabytes = disk.bytes as f64 / 1e9;
            let model = if disk.model.is_empty() {
                "no name"
            } else {
                &disk.model
            };
            writeln!(
                to,
                "\n  overwrites /dev/{}: {}, {gigabytes:.1} GB",
                disk.name, model
            )?;
        }
        for (what, commands) in [
            ("runs", &self.runs),
            ("at U-Boot's prompt, type", &self.typed),
        ] {
            if !commands.is_empty() {
                writeln!(to, "\n  {what}:")?;
            }
            for command in commands {
                writeln!(to, "    {command}")?;
            }
        }
        for note in &self.notes {
            writeln!(to, "\n{note}")?;
        }
        if self.dry_run {
            writeln!(to, "\nNothing of it was done: --dry-run.")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flash::fit::{Kind, Part};
    use crate::flash::layout::Layout;

    #[test]
    fn everything_is_said_both_ways() {
        let package = Package {
            description: "Unimux: pair on here".into(),
            layout: Layout {
                image: 0,
                tree: 1,
                fit: 0x4000,
                fit_limit: 3,
            },
            parts: vec![Part {
                name: "a".into(),
                description: "device tree".into(),
                kind: Kind::Tree,
                load: 0x1234,
                data: vec![0; 77],
            }],
            fit: vec![],
            script: vec![],
        };
        let files = [CardFile {
            name: "unimux.itb".into(),
            data: vec![0; 99],
        }];
        let mut report = Report::new(&package, "x.img", &files, true);
        report.typed(["bootm 0x4000".to_owned()]);
        report.note("a note");
        let text = report.to_string();
        for said in [
            "device tree",
            "0x1234",
            "77",
            "unimux.itb",
            "99",
            "bootm",
            "a note",
            "dry-run",
        ] {
            assert!(text.contains(said), "{text} does not say {said}");
        }
        let json = serde_json::json!(report);
        assert_eq!(json["memory"][0]["address"], 0x1234);
        assert_eq!(
            (&json["files"][0]["bytes"], &json["fit_address"]),
            (&99.into(), &0x4000.into())
        );
        assert!(json.get("disk").is_none());
    }
}
