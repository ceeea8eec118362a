//! Packages of another architecture, by the machine's own apt, in a folder of this repository.
//!
//! Sources, keys and proxies are those of the machine; state and cache are not. Nothing is installed,
//! nothing of the system changes, and root is not needed. apt checks the archive's signature and the
//! digest of each package against it, and refuses what it cannot check.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::terminal::Step;

/// Debian's name of AArch64.
const ARCHITECTURE: &str = "arm64";

/// What apt is told beyond the machine's own configuration.
///
/// Hooks of the machine (containers delete every downloaded package by one) are not for this folder.
const CONFIGURATION: &str = r#"
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
Dir "@/";
Dir::Etc "/etc/apt";
Dir::State "@/state";
Dir::State::status "@/state/status";
Dir::Cache "@/cache";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
APT::Install-Recommends "false";
APT::Sandbox::User "root";
APT::Get::AllowUnauthenticated "false";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Binary::apt::APT::Keep-Downloaded-Packages "true";
"#;

/// A private apt.
pub(super) struct Archive {
    configuration: PathBuf,
    cache: PathBuf,
}

impl Archive {
    /// Makes one below `folder`, an absolute path.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        for program in ["apt-get", "apt-cache", "dpkg-deb"] {
            which::which(program).with_context(|| {
                format!(
                    "{program} is missing: Linux kernels and programs come from Debian's archive; on \
                     another system give your own: --kernel FILE --initrd FILE"
                )
            })?;
        }
        let cache = folder.join("cache");
        fs::create_dir_all(cache.join("archives/partial"))?;
        fs::create_dir_all(folder.join("state/lists/partial"))?;
        fs::write(folder.join("state/status"), "")?;
        let configuration = folder.join("apt.conf");
        let text = CONFIGURATION.replace('@', &folder.display().to_string());
        fs::write(&configuration, text)?;
        Ok(Self {
            configuration,
            cache,
        })
    }

    /// Reads what the archive has now. A source of the machine that fails is no failure here: what
    /// is needed may be in another.
    pub(super) fn update(&self) -> Result<()> {
        let step = Step::begin(format!("Reading Debian's list of {ARCHITECTURE} packages"));
        let said = self.follow(&["update"], &step);
        step.done(if said.is_ok() { "read" } else { "incomplete" });
        Ok(())
    }

    /// What `package` depends on, by name: the first alternative of each.
    pub(super) fn depends(&self, package: &str) -> Result<Vec<String>> {
        let output = self
            .apt("apt-cache")
            .args(["show", "--no-all-versions", package])
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let depends = text
            .lines()
            .find_map(|line| line.strip_prefix("Depends: "))
            .with_context(|| {
                format!(
                    "apt's sources of this machine have no package {package} for {ARCHITECTURE}: \
                     are they Debian's, and is there a network? Otherwise give your own: \
                     --kernel FILE --initrd FILE"
                )
            })?;
        Ok(depends
            .split(',')
            .filter_map(|it| it.split_whitespace().next())
            .map(str::to_owned)
            .collect())
    }

    /// Downloads packages with all that they depend on, and `alone` without; returns the files.
    pub(super) fn download(&self, packages: &[&str], alone: &str) -> Result<Vec<PathBuf>> {
        let step = Step::begin("Downloading Debian's packages");
        // What was downloaded before is checked and kept, if it is what the archive has now.
        self.follow(&["autoclean"], &step)?;
        for file in packages_in(&self.cache)? {
            fs::remove_file(file)?;
        }
        let mut install = vec!["install", "--yes", "--download-only"];
        install.extend(packages);
        self.follow(&install, &step)?;
        self.follow(&["download", alone], &step)?;
        let mut files = packages_in(&self.archives())?;
        files.extend(packages_in(&self.cache)?);
        files.sort();
        let bytes: u64 = files
            .iter()
            .filter_map(|it| Some(fs::metadata(it).ok()?.len()))
            .sum();
        step.done(&format!("{} packages, {} MiB", files.len(), bytes >> 20));
        Ok(files)
    }

    fn archives(&self) -> PathBuf {
        self.cache.join("archives")
    }

    fn apt(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.arg("-c").arg(&self.configuration);
        command.current_dir(&self.cache).stdin(Stdio::null());
        command.env("LC_ALL", "C.UTF-8");
        command
    }

    /// Runs apt-get and shows how far it is.
    fn follow(&self, arguments: &[&str], step: &Step) -> Result<()> {
        let mut command = self.apt("apt-get");
        command
            .args(["-q", "-o", "APT::Status-Fd=1"])
            .args(arguments);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("apt-get cannot be started")?;
        let stdout = child.stdout.take().context("apt-get has no output")?;
        for line in BufReader::new(stdout).lines() {
            if let Some(percent) = progress(&line?) {
                step.detail(&format!("{percent:.0} %"));
            }
        }
        // Few lines of warnings and errors: they fit the pipe, nobody waits.
        let mut said = String::new();
        if let Some(mut stderr) = child.stderr.take() {
            stderr.read_to_string(&mut said)?;
        }
        if !child.wait()?.success() {
            bail!(
                "apt-get {} failed: {}\nIs there a network? Once everything is in target/debian, \
                 none is needed. Your own instead: --kernel FILE --initrd FILE",
                arguments[0],
                said.trim()
            );
        }
        Ok(())
    }
}

fn packages_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == "deb") {
            files.push(path);
        }
    }
    Ok(files)
}

/// Percent done, if this line of apt's status says it.
fn progress(line: &str) -> Option<f64> {
    let mut fields = line.strip_prefix("dlstatus:")?.split(':');
    fields.nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_read_from_the_status_lines() {
        assert_eq!(
            progress("dlstatus:3:45.1234:Retrieving file 3 of 9"),
            Some(45.1234)
        );
        for line in [
            "Get:1 somewhere bookworm InRelease",
            "dlstatus:3",
            "dlstatus:3:x:",
        ] {
            assert_eq!(progress(line), None, "{line}");
        }
    }
}
