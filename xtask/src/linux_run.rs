//! A run with Linux in it, a host or guests: what it boots with, whose the UART is, how it ended.
//!
//! Linux ends by powering its machine off, which says nothing of what came before. So what it says
//! on its console decides, and what Unimux logs of the guests beside a host.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::artifacts;
use crate::console::Line;
use crate::debian::{self, Debian, Parts};
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

/// What Linux boots with.
#[derive(Clone, Debug)]
pub(crate) struct LinuxFiles {
    /// The kernel.
    pub(crate) kernel: PathBuf,
    /// The RAM disk of the host or, without one, of the guests.
    pub(crate) initrd: PathBuf,
    /// Who says on its console how it ended, as the RAM disk is one that does.
    says_status: Vec<Who>,
}

/// Who runs Linux.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    /// The host.
    Host,
    /// The guest with this number.
    Guest(usize),
}

impl LinuxFiles {
    /// Brings what the scenario wants of Debian's, if the user has not all of it; `None` if it
    /// wants nothing.
    pub(crate) fn bring(
        scenario: &ScenarioFile,
        own: &OwnFiles,
        payload: &Path,
    ) -> Result<Option<Self>> {
        let host = scenario.kvm_host.as_ref();
        let wants = |kernel: &Source, initrd: &Option<Source>| {
            let mut sources = std::iter::once(kernel).chain(initrd);
            sources.any(|it| matches!(it, Source::Debian(_)))
        };
        let mut who = vec![];
        if host.is_some_and(|it| wants(&it.kernel, &it.initrd)) {
            who.push(Who::Host);
        }
        let guests = scenario.guests.iter().enumerate();
        let linux = guests.filter(|(_, it)| wants(&it.image, &it.payload));
        who.extend(linux.map(|(index, _)| Who::Guest(index)));
        if who.is_empty() {
            return Ok(None);
        }
        let absolute = |path: &PathBuf| std::path::absolute(path);
        let kernel = own.kernel.as_ref().map(absolute).transpose()?;
        let initrd = own.initrd.as_ref().map(absolute).transpose()?;
        if let (Some(kernel), Some(initrd)) = (&kernel, &initrd) {
            return Ok(Some(Self {
                kernel: kernel.clone(),
                initrd: initrd.clone(),
                says_status: vec![],
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
        let debian = Debian::bring(false)?;
        let (initrd, says_status) = match initrd {
            Some(initrd) => (initrd, vec![]),
            None if host.is_some() => (debian::of_host(&debian, &parts)?, who),
            None => (debian::of_guest(&debian, &parts)?, who),
        };
        Ok(Some(Self {
            kernel: kernel.unwrap_or_else(|| debian.kernel()),
            initrd,
            says_status,
        }))
    }
}

/// QEMU's arguments for who has which console; all of it goes to `backend`, a character device's kind
/// and options. With a host the UART is the host's, and Unimux logs to a virtio-console, if the machine
/// can have one; both come out of one stream, in which Unimux's chunks stay whole.
pub(crate) fn console_arguments(logs_apart: bool, backend: &str) -> Vec<String> {
    let console = format!(
        "{backend},id=console,mux={}",
        if logs_apart { "on" } else { "off" }
    );
    let mut arguments = vec!["-chardev", &console, "-serial", "chardev:console"];
    if logs_apart {
        arguments.extend(["-device", "virtio-serial-device,max_ports=1"]);
        arguments.extend(["-device", "virtconsole,chardev=console"]);
    }
    arguments.into_iter().map(str::to_owned).collect()
}

/// Where consoles go while xtask listens.
pub(crate) const STDIO: &str = "stdio,signal=off";

/// How a job ended, if `text` says that. What is no status is a failure.
fn status(text: &str) -> Option<u8> {
    let (_, status) = text.split_once(STATUS)?;
    Some(status.trim().parse().unwrap_or(u8::MAX))
}

/// Whether a Linux says on its console that its job failed.
pub(crate) fn failed(text: &str) -> bool {
    status(text).is_some_and(|it| it != 0)
}

/// What every Linux of a run said of its end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch {
    linux: Vec<Ended>,
    guest_failed: bool,
}

#[derive(Clone, Copy, Debug)]
struct Ended {
    who: Who,
    wants_status: bool,
    status: Option<u8>,
    panicked: bool,
}

impl Watch {
    /// For a run with these files.
    pub(crate) fn new(files: Option<&LinuxFiles>) -> Self {
        let ended = |who, wants_status| Ended {
            who,
            wants_status,
            status: None,
            panicked: false,
        };
        let mut linux = vec![ended(Who::Host, false)];
        for who in files.iter().flat_map(|it| &it.says_status) {
            linux.retain(|it| it.who != *who);
            linux.push(ended(*who, true));
        }
        Self {
            linux,
            guest_failed: false,
        }
    }

    /// Hears a line.
    pub(crate) fn hear(&mut self, line: &Line) {
        let (speaker, text) = match line {
            Line::Text(text) => (Who::Host, text),
            Line::Guest { index, text } => (Who::Guest(*index), text),
            Line::Log { message, .. } => {
                self.guest_failed |= message == GUEST_FAILED;
                return;
            }
            Line::Damaged { .. } => return,
        };
        let Some(ended) = self.linux.iter_mut().find(|it| it.who == speaker) else {
            return;
        };
        ended.status = status(text).or(ended.status);
        ended.panicked |= text.contains(PANIC);
    }

    /// Exit code of xtask and the reason, if the machine was switched off before all was well.
    pub(crate) fn failure(&self) -> Option<(u8, String)> {
        if let Some(failure) = self.linux.iter().find_map(Ended::failure) {
            return Some(failure);
        }
        self.guest_failed.then(|| {
            let what = "a guest beside the host failed: Unimux's log above says which and why";
            (1, what.into())
        })
    }
}

impl Ended {
    fn failure(&self) -> Option<(u8, String)> {
        let who = match self.who {
            Who::Host => "the host".to_owned(),
            Who::Guest(index) => format!("guest {index}"),
        };
        match self.status {
            _ if self.panicked => Some((
                1,
                format!("the kernel of {who} panicked: its lines are above"),
            )),
            Some(0) => None,
            Some(status) => Some((
                status,
                format!("the job of {who} failed with status {status}: its last lines say why"),
            )),
            None if self.wants_status => Some((
                1,
                format!("{who} was switched off before its job had ended"),
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
        let files = |who| LinuxFiles {
            kernel: PathBuf::new(),
            initrd: PathBuf::new(),
            says_status: who,
        };
        let end = |wants_status: bool, lines: &[&str]| {
            let files = files(vec![Who::Host; usize::from(wants_status)]);
            let mut watch = Watch::new(Some(&files));
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

        let mut watch = Watch::new(None);
        watch.hear(&Line::Log {
            time: None,
            core: None,
            level: "error".into(),
            message: GUEST_FAILED.into(),
        });
        assert_eq!(watch.failure().map(|it| it.0), Some(1));

        let of_guests = |lines: &[(usize, &str)]| {
            let mut watch = Watch::new(Some(&files(vec![Who::Guest(0), Who::Guest(2)])));
            for (index, text) in lines {
                let (index, text) = (*index, (*text).to_owned());
                watch.hear(&Line::Guest { index, text });
            }
            watch.failure().map(|it| it.0)
        };
        let [well, badly] = ["unimux-status: 0", "unimux-status: 4"];
        assert_eq!(of_guests(&[(0, well), (1, badly), (2, well)]), None);
        assert_eq!(of_guests(&[(0, well), (2, badly)]), Some(4));
        assert_eq!(of_guests(&[(0, well), (1, well)]), Some(1), "one is silent");
        assert_eq!(of_guests(&[(0, well), (2, panic), (2, well)]), Some(1));
    }
}
