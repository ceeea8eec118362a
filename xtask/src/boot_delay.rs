//! By how much Unimux delays the boot of a Linux, host or guest: boots with it and without, by turns.
//!
//! Without it the same kernel boots in the same machine of QEMU with the same command line, which also
//! tells it to use as many cores and as much memory as it has beside the engine's. Time begins when QEMU does,
//! so that what QEMU takes to load the files is in both; the kernel's own clock begins with the kernel.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::console::{Console, Line};
use crate::launch::{Kit, Order};
use crate::linux_run;
use crate::qemu::{self, End};
use crate::scenario_file::ScenarioFile;
use crate::terminal::{Step, note};

/// What the kernel says first, on the early console.
const FIRST_LINE: &str = "Booting Linux on physical CPU";
/// What QEMU is told to have EL2.
const EL2: &str = ",virtualization=on";
/// What its first process says, and then the time.
const INIT: &str = " up after ";
/// Boots of each kind. The quickest of each counts: everything else on this machine only delays.
const ROUNDS: usize = 8;
const LIMIT: Duration = Duration::from_secs(60);

/// How long things took, in seconds, since QEMU's start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Boot {
    /// Until the kernel's first line.
    pub(crate) first_line: Option<f64>,
    /// Until its first process.
    pub(crate) init: Option<f64>,
    /// The same by the clock of the kernel, which begins with it.
    pub(crate) uptime: Option<f64>,
}

impl Boot {
    fn hear(&mut self, at: Duration, line: &Line) {
        let (Line::Text(text) | Line::Guest { text, .. }) = line else {
            return;
        };
        for (mark, time) in [(FIRST_LINE, &mut self.first_line), (INIT, &mut self.init)] {
            if text.contains(mark) {
                time.get_or_insert(at.as_secs_f64());
            }
        }
        let uptime = text
            .split_once(INIT)
            .and_then(|(_, it)| it.split(' ').next());
        if let Some(seconds) = uptime.and_then(|it| it.parse().ok()) {
            self.uptime.get_or_insert(seconds);
        }
    }

    fn quickest(self, other: Self) -> Self {
        let least = |one: Option<f64>, other: Option<f64>| match (one, other) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        Self {
            first_line: least(self.first_line, other.first_line),
            init: least(self.init, other.init),
            uptime: least(self.uptime, other.uptime),
        }
    }
}

/// The quickest boot with Unimux, and the quickest without.
pub(crate) fn measure(kit: &Kit, scenario: &ScenarioFile) -> Result<[Boot; 2]> {
    let step = Step::begin(format!("Measuring: {}", scenario.description));
    let order = Order::plain(kit, scenario);
    let mut boots = [Boot::default(); 2];
    for round in 1..=ROUNDS {
        // Who boots first has the colder machine: each does in every second round.
        let now = if round % 2 == 0 {
            [with(&order)?, without(&order)?]
        } else {
            let without = without(&order)?;
            [with(&order)?, without]
        };
        if let [Some(with), Some(without)] = now.map(|it| it.init) {
            note(format!(
                "  boot {round} of {ROUNDS}: {with:.2} s, without Unimux {without:.2} s"
            ));
        }
        for (boot, now) in boots.iter_mut().zip(now) {
            *boot = boot.quickest(now);
        }
    }
    step.done("measured");
    Ok(boots)
}

fn with(order: &Order<'_>) -> Result<Boot> {
    let mut boot = Boot::default();
    let outcome = order.run_until(Some(LIMIT), |at, line| {
        boot.hear(at, &line);
        ControlFlow::Continue(())
    })?;
    match outcome.failure() {
        None => Ok(boot),
        Some(failure) => bail!("Linux with Unimux: {failure}"),
    }
}

fn without(order: &Order<'_>) -> Result<Boot> {
    let machine = order.kit.board.machine()?;
    let files = order.kit.linux.as_ref();
    let files = files.context("there are files of Linux")?;
    let scenario = order.scenario;
    let (machine_is, told) = match (&scenario.kvm_host, scenario.guests.first()) {
        (Some(host), _) => (
            machine.machine.clone(),
            format!("{} maxcpus={}", host.arguments(), host.core_count()),
        ),
        // A guest runs at EL1, and so does its kernel here.
        (None, Some(guest)) => (
            machine.machine.replace(EL2, ""),
            format!(
                "{} maxcpus={} mem={}",
                guest.arguments(),
                guest.core_count(),
                guest.memory_bytes()
            ),
        ),
        (None, None) => bail!("nobody runs Linux"),
    };
    let told = order.kit.board.command_line(&told);
    let (kernel, initrd) = (files.kernel.display().to_string(), files.initrd.display());
    let initrd = initrd.to_string();
    let mut arguments = vec!["-M".to_owned(), machine_is];
    arguments.extend(order.model()?);
    arguments.extend(linux_run::console_arguments(false, linux_run::STDIO));
    arguments.extend(["-kernel", &kernel, "-initrd", &initrd].map(str::to_owned));
    arguments.extend(["-append", &told].map(str::to_owned));
    let command = qemu::command(&machine.binary, &arguments);
    let (mut boot, mut console) = (Boot::default(), Console::new(None, 0));
    let began = Instant::now();
    let (end, said) = qemu::run(command, None, Some(LIMIT), |bytes| {
        console.push(bytes, |line| boot.hear(began.elapsed(), &line));
        ControlFlow::Continue(())
    })?;
    match end {
        End::Exit(0) => Ok(boot),
        end => bail!("Linux without Unimux: {end:?} {}", said.trim()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quickest_of_each_counts() {
        let mut boots = [Boot::default(); 2];
        for (boot, seconds) in boots.iter_mut().zip([2, 1]) {
            for text in [
                "[ 0.0] Booting Linux on physical CPU 0x0",
                "unimux: host up after 3 s",
            ] {
                boot.hear(Duration::from_secs(seconds), &Line::Text(text.into()));
            }
            let late = Line::Text("unimux: host up after 4 s".into());
            boot.hear(Duration::from_secs(9), &late);
        }
        let quickest = boots[0].quickest(boots[1]);
        assert_eq!(quickest, boots[1]);
        assert_eq!(quickest.init, Some(1.0));
        assert_eq!(quickest.uptime, Some(3.0));
        assert_eq!(Boot::default().quickest(boots[0]), boots[0]);
    }
}
