//! By how much Unimux delays the boot of a host: boots with it and without, by turns.
//!
//! Without it the same kernel boots in the same machine of QEMU with the same command line, which also
//! tells it to use as many cores as the host has beside the engine's. Time begins when QEMU does, so
//! that what QEMU takes to load the files is in both.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::console::{Console, Line};
use crate::launch::{Kit, Order};
use crate::linux_run;
use crate::qemu::{self, End};
use crate::scenario_file::ScenarioFile;
use crate::terminal::{Step, note};

/// The scenario: a host that says its first and its last word, and powers off.
pub(crate) const SCENARIO: &str = "kvm-boot";
/// What the kernel says first, on the early console.
const FIRST_LINE: &str = "Booting Linux on physical CPU";
/// What its first process says.
const INIT: &str = "unimux: host up after";
/// Boots of each kind. The quickest of each counts: everything else on this machine only delays.
const ROUNDS: usize = 8;
const LIMIT: Duration = Duration::from_secs(60);

/// Seconds since QEMU's start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Boot {
    /// Until the kernel's first line.
    pub(crate) first_line: Option<f64>,
    /// Until its first process.
    pub(crate) init: Option<f64>,
}

impl Boot {
    fn hear(&mut self, at: Duration, line: &Line) {
        let Line::Text(text) = line else { return };
        for (mark, time) in [(FIRST_LINE, &mut self.first_line), (INIT, &mut self.init)] {
            if text.contains(mark) {
                time.get_or_insert(at.as_secs_f64());
            }
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
        Some(failure) => bail!("the host beside Unimux: {failure}"),
    }
}

fn without(order: &Order<'_>) -> Result<Boot> {
    let machine = order.kit.board.machine()?;
    let host = order.scenario.kvm_host.as_ref();
    let host = host.context("there is a host")?;
    let files = order.kit.linux.as_ref();
    let files = files.context("there are a host's files")?;
    let told = order.kit.board.command_line(host.arguments());
    let told = format!("{told} maxcpus={}", host.core_count());
    let (kernel, initrd) = (files.kernel.display().to_string(), files.initrd.display());
    let initrd = initrd.to_string();
    let mut arguments = vec!["-M".to_owned(), machine.machine.clone()];
    arguments.extend(order.model()?);
    arguments.extend(linux_run::console_arguments(false, linux_run::STDIO));
    arguments.extend(["-kernel", &kernel, "-initrd", &initrd].map(str::to_owned));
    arguments.extend(["-append", &told].map(str::to_owned));
    let command = qemu::command(&machine.binary, &arguments);
    let (mut boot, mut console) = (Boot::default(), Console::new(None, 0));
    let began = Instant::now();
    let (end, said) = qemu::run(command, Some(LIMIT), |bytes| {
        console.push(bytes, |line| boot.hear(began.elapsed(), &line));
        ControlFlow::Continue(())
    })?;
    match end {
        End::Exit(0) => Ok(boot),
        end => bail!("the host alone: {end:?} {}", said.trim()),
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
        assert_eq!(Boot::default().quickest(boots[0]), boots[0]);
    }
}
