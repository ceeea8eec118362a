//! A run with a Linux host: what it boots with, whose the UART is, and how it ended.
//!
//! The host ends the run by powering the machine off, which QEMU reports as success whatever came
//! before. So what it says on its console decides, and what Unimux logs of the guests beside it.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::artifacts;
use crate::console::Line;
use crate::debian::{Debian, Images, Parts};
use crate::scenario_file::{ScenarioFile, Source};
use crate::terminal::Step;
use crate::tools;

/// How the scripts of `xtask/linux` say how they ended.
const STATUS: &str = "unimux-status: ";
/// How Linux says that it cannot go on.
const PANIC: &str = "Kernel panic - not syncing";
/// How Unimux says that one of the guests beside the host failed.
const GUEST_FAILED: &str = "the run failed";

/// Files of the user's own, in place of Debian's.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct OwnFiles {
    /// The Linux kernel of the host, an arm64 Image [default: Debian's].
    #[arg(long, value_name = "FILE")]
    kernel: Option<PathBuf>,
    /// The host's initial RAM disk [default: one with the scenario's job].
    #[arg(long, value_name = "FILE")]
    initrd: Option<PathBuf>,
}

/// What the host boots with.
#[derive(Clone, Debug)]
pub(crate) struct HostFiles {
    /// The kernel.
    pub(crate) kernel: PathBuf,
    /// The RAM disk.
    pub(crate) initrd: PathBuf,
    /// Whether the RAM disk is one that says how it ended.
    says_status: bool,
}

impl HostFiles {
    /// Brings what the scenario wants of Debian's, if the user has not all of it; `None` if it
    /// wants nothing.
    pub(crate) fn bring(
        scenario: &ScenarioFile,
        own: &OwnFiles,
        payload: &Path,
    ) -> Result<Option<Self>> {
        let wants = |source: &Source| matches!(source, Source::Debian(_));
        let host = scenario.kvm_host.as_ref();
        if !host.is_some_and(|it| wants(&it.kernel) || it.initrd.iter().any(wants)) {
            return Ok(None);
        }
        let absolute = |path: &PathBuf| std::path::absolute(path);
        let kernel = own.kernel.as_ref().map(absolute).transpose()?;
        let initrd = own.initrd.as_ref().map(absolute).transpose()?;
        let says_status = initrd.is_none();
        if let (Some(kernel), Some(initrd)) = (&kernel, &initrd) {
            return Ok(Some(Self {
                kernel: kernel.clone(),
                initrd: initrd.clone(),
                says_status,
            }));
        }
        tools::ensure(artifacts::LINUX_TARGET, &[])?;
        let step = Step::begin("Building Unimux's program for Linux");
        let tool = artifacts::linux_tool()?;
        step.done("built (release)");
        let parts = Parts {
            tool: Some(tool),
            payload: Some(payload.to_owned()),
        };
        let images = Images::build(&Debian::bring(false)?, &parts)?;
        Ok(Some(Self {
            kernel: kernel.unwrap_or(images.kernel),
            initrd: initrd.unwrap_or(images.initrd),
            says_status,
        }))
    }
}

/// QEMU's arguments for who has which console; all of it goes to `backend`, a character device's kind
/// and options. With a host the UART is the host's, and Unimux has a virtio-console; both come out
/// of one stream, in which Unimux's chunks stay whole.
pub(crate) fn console_arguments(has_host: bool, backend: &str) -> Vec<String> {
    let console = format!(
        "{backend},id=console,mux={}",
        if has_host { "on" } else { "off" }
    );
    let mut arguments = vec!["-chardev", &console, "-serial", "chardev:console"];
    if has_host {
        arguments.extend(["-device", "virtio-serial-device,max_ports=1"]);
        arguments.extend(["-device", "virtconsole,chardev=console"]);
    }
    arguments.into_iter().map(str::to_owned).collect()
}

/// Where consoles go while xtask listens.
pub(crate) const STDIO: &str = "stdio,signal=off";

/// What a host said of its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Watch {
    wants_status: bool,
    status: Option<u8>,
    panicked: bool,
    guest_failed: bool,
}

impl Watch {
    /// For a run with these files.
    pub(crate) fn new(files: Option<&HostFiles>) -> Self {
        Self {
            wants_status: files.is_some_and(|it| it.says_status),
            ..Self::default()
        }
    }

    /// Hears a line.
    pub(crate) fn hear(&mut self, line: &Line) {
        let text = match line {
            Line::Text(text) => text,
            Line::Log { message, .. } => {
                self.guest_failed |= message == GUEST_FAILED;
                return;
            }
            _ => return,
        };
        if let Some((_, status)) = text.split_once(STATUS) {
            // What is no status is a failure.
            self.status = Some(status.trim().parse().unwrap_or(u8::MAX));
        }
        self.panicked |= text.contains(PANIC);
    }

    /// Exit code of xtask and the reason, if the machine was switched off before all was well.
    pub(crate) fn failure(&self) -> Option<(u8, String)> {
        match self.status {
            _ if self.panicked => {
                Some((1, "the host's kernel panicked: its lines are above".into()))
            }
            Some(0) | None if self.guest_failed => Some((
                1,
                "a guest beside the host failed: Unimux's log above says which and why".into(),
            )),
            Some(0) => None,
            Some(status) => Some((
                status,
                format!("the host's job failed with status {status}: its last lines say why"),
            )),
            None if self.wants_status => Some((
                1,
                "the host was switched off before its job had ended".into(),
            )),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_host_says_last_decides() {
        let end = |wants_status, lines: &[&str]| {
            let mut watch = Watch {
                wants_status,
                ..Watch::default()
            };
            for line in lines {
                watch.hear(&Line::Text((*line).to_owned()));
            }
            watch.failure().map(|it| it.0)
        };
        assert_eq!(end(true, &["x", "unimux-status: 0"]), None);
        assert_eq!(end(true, &["unimux-status: 3"]), Some(3));
        assert_eq!(end(true, &["unimux-status: x"]), Some(255));
        assert_eq!(end(true, &[]), Some(1));
        assert_eq!(end(false, &[]), None);
        let panic = "[    1.0] Kernel panic - not syncing: VFS: Unable to mount root fs";
        assert_eq!(end(false, &[panic, "unimux-status: 0"]), Some(1));

        let mut watch = Watch::default();
        watch.hear(&Line::Log {
            time: None,
            core: None,
            level: "error".into(),
            message: GUEST_FAILED.into(),
        });
        assert_eq!(watch.failure().map(|it| it.0), Some(1));
    }
}
