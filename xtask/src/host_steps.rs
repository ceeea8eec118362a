//! The tests that run on the host, step by step: cargo test, loom, Miri, fuzzing.
//!
//! A step whose tool is missing is skipped, and said to be.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::terminal::note;
use crate::{tools, workspace};

/// Tests that were run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// That hold.
    pub(crate) passed: u64,
    /// That do not.
    pub(crate) failed: u64,
}

impl Count {
    /// Adds another's.
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// Pure crates that have something for Miri to find: those with unsafe code, and those whose layouts
/// and atomics are shared with guests.
const MIRI: [&str; 4] = [
    "unimux-abi",
    "unimux-engine",
    "unimux-memory",
    "unimux-ring",
];

/// What Miri must know of these tests.
const MIRI_FLAGS: [&str; 4] = [
    // proptest reads its environment.
    "-Zmiri-disable-isolation",
    // Tests lend memory to what wants it for ever.
    "-Zmiri-ignore-leaks",
    // Guest memory is addresses: it is where the guest says.
    "-Zmiri-permissive-provenance",
    // Words of several sizes lie over each other in guest memory, which Miri's weak memory cannot
    // follow (it stops with an internal error). The orders are loom's business.
    "-Zmiri-disable-weak-memory-emulation",
];

/// Runs every step; `filter` chooses tests by name, and then only cargo test is run.
pub(crate) fn run(filter: Option<&str>, fuzz_seconds: u64) -> Result<Count> {
    let mut count = Count::default();
    let mut test = workspace::cargo();
    test.arg("test").args(filter);
    count.add(step("cargo test", &mut test)?);
    if filter.is_some() {
        return Ok(count);
    }
    for package in packages_with_loom()? {
        let mut loom = workspace::cargo();
        loom.args(["test", "--release", "--tests", "--package", &package]);
        loom.env("RUSTFLAGS", "--cfg loom");
        // The release profile is made for the image; here it is only to be quick.
        loom.env("CARGO_PROFILE_RELEASE_LTO", "off");
        // Every interleaving with so many forced switches: enough for the rings, seconds and not hours.
        if env::var_os("LOOM_MAX_PREEMPTIONS").is_none() {
            loom.env("LOOM_MAX_PREEMPTIONS", "3");
        }
        count.add(step(&format!("loom: {package}"), &mut loom)?);
    }
    miri(&mut count)?;
    fuzz(&mut count, fuzz_seconds)?;
    Ok(count)
}

fn miri(count: &mut Count) -> Result<()> {
    if !tools::has_miri() {
        skipped(
            "Miri",
            "rustup component add --toolchain nightly miri rust-src",
        );
        return Ok(());
    }
    let mut miri = workspace::cargo_nightly();
    miri.args(["miri", "test", "--lib", "--no-fail-fast"]);
    for package in MIRI {
        miri.args(["--package", package]);
    }
    // Few cases: Miri is a hundred times slower.
    miri.env("MIRIFLAGS", MIRI_FLAGS.join(" "))
        .env("PROPTEST_CASES", "2");
    count.add(step("Miri", &mut miri)?);
    Ok(())
}

fn fuzz(count: &mut Count, seconds: u64) -> Result<()> {
    let folder = workspace::root().join("tests/fuzz");
    if !folder.join("Cargo.toml").is_file() {
        return Ok(());
    }
    if !tools::has_fuzz() {
        skipped(
            "Fuzzing",
            "cargo install cargo-fuzz, and a nightly toolchain",
        );
        return Ok(());
    }
    let list = workspace::cargo_nightly()
        .args(["fuzz", "list", "--fuzz-dir", "tests/fuzz"])
        .output()
        .context("cargo fuzz list")?;
    for target in String::from_utf8_lossy(&list.stdout).lines() {
        let mut fuzz = workspace::cargo_nightly();
        fuzz.args(["fuzz", "run", "--fuzz-dir", "tests/fuzz", target, "--"]);
        fuzz.args([
            format!("-max_total_time={seconds}"),
            "-verbosity=0".to_owned(),
        ]);
        count.add(step(
            &format!("Fuzzing {target} for {seconds} s"),
            &mut fuzz,
        )?);
    }
    Ok(())
}

fn skipped(what: &str, remedy: &str) {
    note(format!(
        "\nSKIPPED  {what}: the tool is missing. To have it: {remedy}"
    ));
}

/// Default members that say how they differ under loom.
fn packages_with_loom() -> Result<Vec<String>> {
    let mut packages = Vec::new();
    for area in ["firmware", "hyp"] {
        for entry in fs::read_dir(workspace::root().join(area))? {
            let manifest = entry?.path().join("Cargo.toml");
            let Ok(text) = fs::read_to_string(&manifest) else {
                continue;
            };
            if text.contains("cfg(loom)") {
                packages.extend(package_name(&text));
            }
        }
    }
    packages.sort();
    Ok(packages)
}

fn package_name(manifest: &str) -> Option<String> {
    let manifest: toml::Table = manifest.parse().ok()?;
    Some(manifest.get("package")?.get("name")?.as_str()?.to_owned())
}

/// Runs a command, shows its output and counts the tests it reports. One that reports none counts
/// as one.
fn step(name: &str, command: &mut Command) -> Result<Count> {
    note(format!("\n── {name}"));
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("{name}: cannot be started"))?;
    let stdout = child.stdout.take().context("no output")?;
    let mut count = Count::default();
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        println!("{line}");
        if let Some(result) = result_line(&line) {
            count.add(result);
        }
    }
    let success = child.wait()?.success();
    if success && count == Count::default() {
        count.passed = 1;
    }
    if !success && count.failed == 0 {
        count.failed = 1;
        note(format!("{name} failed; its output is above"));
    }
    Ok(count)
}

/// `test result: ok. 3 passed; 0 failed; …`
fn result_line(line: &str) -> Option<Count> {
    let rest = line
        .trim()
        .strip_prefix("test result: ")?
        .split_once(". ")?
        .1;
    let mut parts = rest.split("; ");
    let mut number = |word: &str| parts.next()?.strip_suffix(word)?.trim().parse().ok();
    Some(Count {
        passed: number("passed")?,
        failed: number("failed")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_cargo_test_are_counted() {
        let line = "test result: FAILED. 20 passed; 1 failed; 0 ignored; 0 measured";
        assert_eq!(
            result_line(line),
            Some(Count {
                passed: 20,
                failed: 1
            })
        );
        for line in [
            "",
            "test a ... ok",
            "test result: ok.",
            "test result: ok. x passed; 1 failed",
        ] {
            assert_eq!(result_line(line), None, "{line}");
        }
    }

    #[test]
    fn a_step_without_results_counts_as_one() {
        let run = |script| step("x", Command::new("sh").args(["-c", script])).unwrap();
        assert_eq!(
            run("exit 0"),
            Count {
                passed: 1,
                failed: 0
            }
        );
        assert_eq!(
            run("exit 1"),
            Count {
                passed: 0,
                failed: 1
            }
        );
        let tests = "echo 'test result: ok. 3 passed; 0 failed; 0 ignored'";
        assert_eq!(
            run(tests),
            Count {
                passed: 3,
                failed: 0
            }
        );
        // The tests hold, and then the process fails.
        assert_eq!(
            run(&format!("{tests}; exit 1")),
            Count {
                passed: 3,
                failed: 1
            }
        );
    }

    #[test]
    fn names_of_packages_are_read() {
        assert_eq!(package_name("[package]\nname = \"a\""), Some("a".into()));
        assert_eq!(package_name("[workspace]"), None);
    }
}
