//! What a program of another architecture needs beside it: its libraries, from an unpacked root.
//!
//! Libraries that a program opens by name while it runs (plug-ins) are for the caller to name.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use object::Object;

/// Where the loader itself is for every program (the ABI of AArch64 on Linux).
const LOADER: &str = "lib/ld-linux-aarch64.so.1";
/// Where Debian's loader looks: ld.so(8) and the multiarch folders.
const LIBRARIES: [&str; 4] = [
    "lib",
    "lib/aarch64-linux-gnu",
    "usr/lib/aarch64-linux-gnu",
    "usr/lib",
];

/// `programs` and all they are linked with, as paths below `root`, the loader among them.
pub(super) fn closure(root: &Path, programs: &[&str]) -> Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::from([PathBuf::from(LOADER)]);
    let mut open: Vec<PathBuf> = programs.iter().map(PathBuf::from).collect();
    while let Some(path) = open.pop() {
        let bytes = fs::read(root.join(&path))
            .with_context(|| format!("Debian's packages have no {}", path.display()))?;
        for name in needed(&bytes).with_context(|| path.display().to_string())? {
            let library =
                find(root, &name).with_context(|| format!("{} needs {name}", path.display()))?;
            if !found.contains(&library) {
                open.push(library);
            }
        }
        found.insert(path);
    }
    Ok(found)
}

fn find(root: &Path, name: &str) -> Result<PathBuf> {
    let places = LIBRARIES.iter().map(|it| Path::new(it).join(name));
    match places.into_iter().find(|it| root.join(it).is_file()) {
        Some(path) => Ok(path),
        None => bail!("no such library was downloaded"),
    }
}

/// Names of the libraries that an ELF file asks for (`DT_NEEDED`).
fn needed(bytes: &[u8]) -> Result<Vec<String>> {
    let file = object::File::parse(bytes)?;
    let mut names = Vec::new();
    for library in file.import_libraries()? {
        names.push(String::from_utf8_lossy(library?.name()).into_owned());
    }
    Ok(names)
}
