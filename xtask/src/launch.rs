//! One run of a scenario on a board's QEMU: from the files to the lines and the end.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use defmt_decoder::Table;

use crate::artifacts::{self, Profile, Program};
use crate::board::{Board, Machine};
use crate::console::{Console, Heard, Line};
use crate::kernel_file;
use crate::linux_run::{self, LinuxFiles, Watch};
use crate::log_strings;
use crate::machine_tree::{self, Modules, Simulator, loaded};
use crate::qemu::{self, End};
use crate::scenario_file::{Loaded, ScenarioFile, Source};
use crate::start::Start;
use crate::terminal::Step;
use crate::typist::Typist;
use crate::workspace;

/// How the machine keeps time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clock {
    /// As the host does; cores run at the same time.
    Host,
    /// One instruction is one nanosecond; cores take turns; two runs are the same.
    Instructions,
}

/// Everything that a run needs and that was built.
#[derive(Clone, Debug)]
pub(crate) struct Kit {
    /// Where it runs.
    pub(crate) board: Board,
    /// EL2.
    pub(crate) unimux: Program,
    /// `program:<name>`.
    pub(crate) programs: BTreeMap<String, Program>,
    /// `test:<claim>`.
    pub(crate) claims: BTreeMap<String, Program>,
    /// What `test` stands for.
    pub(crate) this_claim: Option<String>,
    /// What `payload` stands for.
    pub(crate) payload: Option<PathBuf>,
    /// What `debian:kernel`, `debian:host` and `debian:guest` stand for.
    pub(crate) linux: Option<LinuxFiles>,
    /// What starts the image.
    pub(crate) start: Start,
}

impl Kit {
    /// Builds Unimux, and of the guest programs what the scenarios ask for.
    pub(crate) fn build(
        board: Board,
        profile: Profile,
        scenarios: &[&ScenarioFile],
    ) -> Result<Self> {
        let step = Step::begin(format!("Building Unimux for {}", board.name));
        let unimux = artifacts::unimux(&board, profile)?;
        let sources: Vec<&Source> = scenarios
            .iter()
            .flat_map(|it| &it.guests)
            .flat_map(|it| std::iter::once(&it.image).chain(&it.payload))
            .collect();
        let mut kit = Self {
            board,
            unimux,
            programs: BTreeMap::new(),
            claims: BTreeMap::new(),
            this_claim: None,
            payload: None,
            linux: None,
            start: Start::Emulator,
        };
        if sources.iter().any(|it| matches!(it, Source::Program(_))) {
            step.detail("guest programs");
            kit.programs = artifacts::guest_programs(&kit.board, profile)?;
        }
        if sources
            .iter()
            .any(|it| matches!(it, Source::Claim(_) | Source::ThisClaim))
        {
            step.detail("claims");
            kit.claims = artifacts::claims(&kit.board, profile)?;
        }
        step.done(&format!("built ({})", profile.name()));
        Ok(kit)
    }

    /// The file that guests move; if none was named, one that is there after every build.
    pub(crate) fn payload(&self) -> PathBuf {
        self.payload
            .clone()
            .unwrap_or_else(|| self.unimux.elf.clone())
    }

    fn file(&self, source: &Source) -> Result<PathBuf> {
        let named = |programs: &BTreeMap<String, Program>, name: &str, of: &str| {
            programs
                .get(name)
                .map(|it| it.raw.clone())
                .with_context(|| {
                    let known: Vec<&str> = programs.keys().map(String::as_str).collect();
                    format!("{of} has no program {name:?}; it has: {}", known.join(", "))
                })
        };
        match source {
            Source::Program(name) => named(&self.programs, name, "guest/programs"),
            Source::Claim(name) => named(&self.claims, name, "tests/guest"),
            Source::ThisClaim => {
                let name = self.this_claim.as_deref();
                named(
                    &self.claims,
                    name.context("only a test has a claim")?,
                    "tests/guest",
                )
            }
            Source::Payload => Ok(self.payload()),
            Source::Debian(name) => match (name.as_str(), &self.linux) {
                ("kernel", Some(files)) => Ok(files.kernel.clone()),
                ("host" | "guest", Some(files)) => Ok(files.initrd.clone()),
                _ => bail!("there is no debian:{name} here"),
            },
            Source::File(path) => Ok(workspace::root().join(path)),
        }
    }
}

/// What a run is to be like.
#[derive(Clone, Debug)]
pub(crate) struct Order<'a> {
    /// What is built.
    pub(crate) kit: &'a Kit,
    /// What to run.
    pub(crate) scenario: &'a ScenarioFile,
    /// How time goes.
    pub(crate) clock: Clock,
    /// Makes what is random in the machine the same every time.
    pub(crate) seed: Option<u32>,
    /// Cores, if not as many as the board says.
    pub(crate) cores: Option<u32>,
    /// Memory in MiB, if not as much as the board says.
    pub(crate) memory_mib: Option<u64>,
    /// More arguments for QEMU.
    pub(crate) arguments: Vec<String>,
}

impl<'a> Order<'a> {
    /// As the scenario and the board say, in the host's time.
    pub(crate) fn plain(kit: &'a Kit, scenario: &'a ScenarioFile) -> Self {
        Self {
            kit,
            scenario,
            clock: Clock::Host,
            seed: None,
            cores: None,
            memory_mib: None,
            arguments: vec![],
        }
    }
}

impl Order<'_> {
    /// The machine's memory in MiB.
    fn memory_mib(&self, machine: &Machine) -> u64 {
        self.memory_mib
            .or(self.scenario.machine_memory.map(|bytes| bytes >> 20))
            .unwrap_or(machine.memory_mib)
    }

    /// QEMU's arguments that say what the machine has, whatever starts in it: all but `-M`.
    pub(crate) fn model(&self) -> Result<Vec<String>> {
        let machine = self.kit.board.machine()?;
        let cores = self
            .cores
            .or(self.scenario.machine_cores)
            .unwrap_or(machine.cores);
        let memory_mib = self.memory_mib(machine);
        let mut model: Vec<String> = ["-cpu", &machine.cpu, "-smp", &cores.to_string()]
            .map(str::to_owned)
            .into();
        model.extend(["-m".to_owned(), format!("{memory_mib}M")]);
        model.extend(machine.args.iter().cloned());
        model.extend(["-display", "none", "-monitor", "none", "-no-reboot"].map(str::to_owned));
        if let Some(seed) = self.seed {
            model.extend(["-seed".to_owned(), seed.to_string()]);
        }
        Ok(model)
    }

    /// The device tree of the machine that QEMU is. With a firmware it is another one: its `virt` has
    /// no GPIO then (`create_gpio_devices` in hw/arm/virt.c).
    pub(crate) fn simulated_tree(&self, has_firmware: bool) -> Result<Vec<u8>> {
        let machine = self.kit.board.machine()?;
        let its_tree = match self.kit.board.device_tree() {
            Some(source) => machine_tree::compile(&source, &self.folder()?)?,
            None => {
                let dumped = self.folder()?.join("machine.dtb");
                let mut model = self.model()?;
                if has_firmware {
                    // Which one does not matter: it is not started.
                    let any = self.kit.unimux.raw.display().to_string();
                    model.extend(["-bios".to_owned(), any]);
                }
                dump_tree(machine, &model, &dumped)?;
                fs::read(&dumped)?
            }
        };
        let simulator = Simulator {
            memory: self.kit.board.banks(self.memory_mib(machine) << 20)?,
            seed: self.seed,
        };
        machine_tree::in_simulator(&its_tree, &simulator)
    }

    /// A machine's tree with the scenario in it, and the files that the scenario names, each at its
    /// place in RAM, below what the starter keeps of its end.
    pub(crate) fn place(&self, machine: &[u8], kept_bytes: u64) -> Result<(Vec<u8>, Modules)> {
        let mut modules = Modules::in_first_bank(machine, kept_bytes)?;
        let folder = self.folder()?;
        let mut scenario = self.scenario.resolve(|source, loaded| {
            let file = self.kit.file(source)?;
            let file = match loaded {
                Loaded::Image | Loaded::Kernel => kernel_file::image(&file, &folder)?,
                Loaded::Module | Loaded::RamDisk => file,
            };
            modules.place(&file, loaded)
        })?;
        if !self.scenario.unchecked {
            scenario.engine = self.kit.board.engine(scenario.engine)?;
        }
        if let Some(host) = &mut scenario.host {
            host.arguments = self.kit.board.command_line(&host.arguments);
        }
        let tree = machine_tree::with_scenario(machine, &scenario, !self.scenario.unchecked)?;
        Ok((tree, modules))
    }

    /// Where the board's files are made.
    pub(crate) fn folder(&self) -> Result<PathBuf> {
        let folder = workspace::output().join(&self.kit.board.name);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// QEMU's arguments. Writes the device tree that they name.
    pub(crate) fn arguments(&self) -> Result<Vec<String>> {
        let machine = self.kit.board.machine()?;
        let mut arguments = vec!["-M".to_owned(), machine.machine.clone()];
        arguments.extend(self.model()?);
        arguments.extend(self.kit.start.arguments());
        if !self.kit.start.has_all() {
            arguments.extend(self.loaded()?);
        }
        arguments.extend(["-semihosting-config", "enable=on,target=native"].map(str::to_owned));
        if self.clock == Clock::Instructions {
            arguments.extend(["-icount", "shift=0,sleep=off"].map(str::to_owned));
        }
        arguments.extend(self.arguments.iter().cloned());
        Ok(arguments)
    }

    /// QEMU's arguments that put image, device tree and modules into its memory.
    fn loaded(&self) -> Result<Vec<String>> {
        let board = &self.kit.board;
        let start = &self.kit.start;
        let machine = self.simulated_tree(start.is_firmware())?;
        let (dtb, modules) = self.place(&machine, start.kept_bytes())?;
        let tree = self.folder()?.join("scenario.dtb");
        fs::write(&tree, dtb)?;
        let image = &self.kit.unimux.raw;
        let mut arguments = vec![];
        match board.device_tree_address {
            Some(address) => {
                // QEMU itself would say that RAM is in one piece.
                arguments.extend(loaded(&tree, address, ""));
                arguments.extend(loaded(image, board.load_address, ",cpu-num=0"));
            }
            None => {
                arguments.extend(["-kernel".to_owned(), image.display().to_string()]);
                arguments.extend(["-dtb".to_owned(), tree.display().to_string()]);
            }
        }
        arguments.extend(modules.arguments());
        Ok(arguments)
    }

    /// Runs it; gives every line as it comes.
    pub(crate) fn run(
        &self,
        limit: Option<Duration>,
        mut each: impl FnMut(Line),
    ) -> Result<Outcome> {
        self.run_until(limit, |_, line| {
            each(line);
            ControlFlow::Continue(())
        })
    }

    /// The same, until a line asks to stop.
    pub(crate) fn run_while(
        &self,
        limit: Duration,
        mut each: impl FnMut(Line) -> ControlFlow<()>,
    ) -> Result<Outcome> {
        self.run_until(Some(limit), |_, line| each(line))
    }

    /// The same; each line comes with the time since QEMU was started.
    pub(crate) fn run_until(
        &self,
        limit: Option<Duration>,
        mut each: impl FnMut(Duration, Line) -> ControlFlow<()>,
    ) -> Result<Outcome> {
        let began = Instant::now();
        self.run_with(limit, mpsc::channel(), |heard| match heard {
            Some(Heard::Line(line)) => each(began.elapsed(), line),
            _ => ControlFlow::Continue(()),
        })
    }

    /// The same with somebody at the console: what is sent to `typed` goes over the wire, and what guests
    /// say is given as it comes, too. Now and then `each` is called with nothing.
    pub(crate) fn run_with(
        &self,
        limit: Option<Duration>,
        (typed, wire): (Sender<Vec<u8>>, Receiver<Vec<u8>>),
        mut each: impl FnMut(Option<Heard<'_>>) -> ControlFlow<()>,
    ) -> Result<Outcome> {
        let machine = self.kit.board.machine()?;
        let mut arguments = self.arguments()?;
        let has_host = self.scenario.kvm_host.is_some();
        let logs_apart = has_host && machine.virtio;
        arguments.extend(linux_run::console_arguments(logs_apart, linux_run::STDIO));
        let table = log_table(&self.kit.unimux)?;
        let mut console = Console::new(table.as_ref(), self.scenario.guests.len());
        let command = qemu::command(&machine.binary, &arguments);
        let mut watch = Watch::new(self.kit.linux.as_ref());
        let mut typist = Typist::new(&self.scenario.typed, &self.scenario.names())?;
        let mut each = |heard: Option<Heard<'_>>| {
            if let Some(Heard::Line(line)) = &heard {
                watch.hear(line);
                let keys = typist.hear(line);
                if !keys.is_empty() {
                    // Nobody takes it if the run is over.
                    let _ = typed.send(keys);
                }
            }
            each(heard)
        };
        let (end, said) = qemu::run(command, Some(wire), limit, |bytes| {
            let mut flow = each(None);
            console.push_all(bytes, |heard| {
                // The lines that came with the one that stops are shown as well.
                if each(Some(heard)).is_break() {
                    flow = ControlFlow::Break(());
                }
            });
            flow
        })?;
        console.finish(|line| {
            let _ = each(Some(Heard::Line(line)));
        });
        let host = watch.failure();
        Ok(Outcome { end, said, host })
    }
}

/// Has QEMU write the device tree of a machine that it makes one for.
fn dump_tree(machine: &Machine, model: &[String], to: &Path) -> Result<()> {
    let mut dump = model.to_vec();
    let dumpdtb = format!("{},dumpdtb={}", machine.machine, to.display());
    dump.extend(["-M".to_owned(), dumpdtb]);
    let limit = Some(Duration::from_secs(30));
    let (end, said) = qemu::run(qemu::command(&machine.binary, &dump), None, limit, |_| {
        ControlFlow::Continue(())
    })?;
    if end != End::Exit(0) {
        bail!(
            "QEMU did not give its device tree ({end:?}): {}",
            said.trim()
        );
    }
    Ok(())
}

/// The strings of EL2's log.
pub(crate) fn log_table(unimux: &Program) -> Result<Option<Table>> {
    log_strings::table(fs::read(&unimux.elf)?)
}

/// How a run ended.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// What QEMU did.
    pub(crate) end: End,
    /// What QEMU said itself.
    pub(crate) said: String,
    /// Exit code and reason, if a host failed.
    pub(crate) host: Option<(u8, String)>,
}

/// EL2's exit code for a panic or an unexpected exception in Unimux.
const CODE_PANIC: i32 = 101;

impl Outcome {
    /// What happened and what to do next; nothing if all is well.
    pub(crate) fn failure(&self) -> Option<String> {
        let said = self.said.trim();
        let what = match &self.end {
            End::Exit(0) => self.host.as_ref()?.1.clone(),
            End::Exit(1) if !said.is_empty() => {
                "QEMU refused to start (see below); `cargo xtask doctor` checks its version".into()
            }
            End::Exit(1) => "a guest failed or was stopped: the last lines above say which and \
                             why; `cargo xtask gdb` stops at its first instruction"
                .into(),
            End::Exit(CODE_PANIC) => "Unimux itself failed: its last words are above, with a \
                                      backtrace unless --release; `cargo xtask gdb` runs the same \
                                      scenario in a debugger"
                .into(),
            End::Exit(code) => format!("the run ended with exit code {code}"),
            End::TimedOut(limit) => format!(
                "the run did not end within {} s and was stopped; more time: --timeout; where it \
                 hangs: `cargo xtask gdb`",
                limit.as_secs()
            ),
            End::Stopped => "the run was stopped, as a guest failed: the last lines above say \
                             which and why"
                .into(),
            End::Killed(how) => format!("QEMU was killed ({how})"),
        };
        Some(if said.is_empty() {
            what
        } else {
            format!("{what}\nQEMU said: {said}")
        })
    }

    /// The exit code of xtask: EL2's own if it is one.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self.end {
            End::Exit(0) => ExitCode::from(self.host.as_ref().map_or(0, |it| it.0)),
            End::Exit(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
            End::TimedOut(_) => ExitCode::from(124),
            End::Stopped | End::Killed(_) => ExitCode::FAILURE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(end: End, said: &str) -> Outcome {
        Outcome {
            end,
            said: said.to_owned(),
            host: None,
        }
    }

    #[test]
    fn each_end_says_what_to_do() {
        assert_eq!(outcome(End::Exit(0), "a warning").failure(), None);
        let mut failed = outcome(End::Exit(0), "");
        failed.host = Some((3, "the host's job".into()));
        let cases = [
            (failed, "the host's job"),
            (outcome(End::Exit(1), ""), "a guest failed"),
            (outcome(End::Exit(1), "no such machine"), "doctor"),
            (outcome(End::Exit(101), ""), "Unimux itself failed"),
            (outcome(End::Exit(9), ""), "exit code 9"),
            (
                outcome(End::TimedOut(Duration::from_secs(60)), ""),
                "within 60 s",
            ),
            (outcome(End::Killed("signal 9".into()), ""), "signal 9"),
        ];
        for (outcome, says) in cases {
            let message = outcome.failure().unwrap();
            assert!(message.contains(says), "{message:?} does not say {says:?}");
        }
    }
}
