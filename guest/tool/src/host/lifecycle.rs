//! A virtual machine's function and memory, from nothing to nothing.
//!
//! ```text
//!  create    remember ▶ memory ▶ function ▶ windows ▶ info page ▶ open ▶ remember
//!  destroy   remember ▶ destroy function ▶ remove memory ▶ forget
//! ```
//!
//! The agent may die between any two steps. Memory has a name before the firmware knows of it, and
//! loses it after the firmware has answered that the function is destroyed; so the host cannot use
//! again what a function may still write to. The next agent finishes what was begun.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use unimux_driver::{
    CommandStatus, Error, FunctionRecord, FunctionReport, NewFunction, Objects, PhysicalFunction,
};
use unimux_linux::info_page::{InfoPage, Named};
use unimux_linux::{Doorbell, huge_pages};

use super::memory::{Memory, Paths};
use super::qemu::{self, Process, RAM_IPA};
use super::store::{Phase, Store, Vm, is_name};
use super::wake_line::WakeLine;

/// What a tenant's function may have: what the firmware's pool has room for.
const OBJECTS: Objects = Objects::new()
    .with_pds(8)
    .with_cqs(16)
    .with_qps(16)
    .with_mrs(64);
/// Page entries of all its regions together.
const PAGES: u32 = 1024;

/// Names the step after which the agent dies: for crash tests.
const DIE_AFTER: &str = "UNIMUX_AGENT_DIE_AFTER";

/// A machine whose memory the agent holds.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) vm: Vm,
    pub(super) paths: Paths,
    pub(super) qemu: Option<Process>,
    pub(super) wake: Option<WakeLine>,
    memory: Memory,
}

/// All machines, and what makes their functions.
#[derive(Debug)]
pub(super) struct Lifecycle {
    physical: PhysicalFunction<Doorbell>,
    store: Store,
    directory: PathBuf,
    run: PathBuf,
    /// Functions that are not the agent's, by name.
    peers: Vec<Named>,
    pub(super) held: BTreeMap<String, Held>,
}

/// Dies here if a test wants it so.
fn step(name: &str) {
    if std::env::var(DIE_AFTER).is_ok_and(|wanted| wanted == name) {
        eprintln!("unimux agent: dies after `{name}`, as asked");
        std::process::abort();
    }
}

impl Lifecycle {
    /// Takes over from the agent before this one: finishes what it began.
    pub(super) fn take_over(
        physical: PhysicalFunction<Doorbell>,
        run: &Path,
        peers: Vec<Named>,
    ) -> Result<Self> {
        let mut it = Self {
            physical,
            store: Store::open(run)?,
            directory: huge_pages::directory().context("no hugetlbfs")?,
            run: run.to_owned(),
            peers,
            held: BTreeMap::new(),
        };
        let mut records = Vec::new();
        it.physical.list(|record| records.push(*record))?;
        let vms = it.store.load()?;
        for record in &records {
            let is_ready = |vm: &&Vm| vm.cookie == record.cookie && vm.phase == Phase::Ready;
            if !vms.iter().any(|vm| is_ready(&vm)) {
                it.physical
                    .destroy(record.function)
                    .with_context(|| format!("cannot destroy function {}", record.function))?;
                eprintln!("unimux agent: function {} was nobody's", record.function);
            }
        }
        for vm in vms {
            let name = vm.name.clone();
            if let Err(error) = it.adopt(vm, &records) {
                eprintln!("unimux agent: {name}: {error:#}");
            }
        }
        it.introduce();
        Ok(it)
    }

    /// Holds a machine that was remembered, or removes what is left of it.
    fn adopt(&mut self, mut vm: Vm, records: &[FunctionRecord]) -> Result<()> {
        let paths = Paths::of(&self.directory, &self.run, &vm.name);
        let record = records.iter().find(|it| it.cookie == vm.cookie);
        match (vm.phase, record) {
            (Phase::Ready, Some(record)) => {
                vm.function = Some(record.function);
                let memory = Memory::open(&paths, vm.memory_bytes)?;
                let qemu = qemu::find(&paths.ram);
                eprintln!("unimux agent: {} has function {}", vm.name, record.function);
                let name = vm.name.clone();
                let held = Held {
                    vm,
                    paths,
                    qemu,
                    wake: None,
                    memory,
                };
                self.held.insert(name, held);
                Ok(())
            }
            // Its function, if there was one, is destroyed by now.
            _ => {
                paths.remove()?;
                self.store.forget(&vm.name)
            }
        }
    }

    /// Makes a machine's memory and function.
    pub(super) fn create(
        &mut self,
        name: &str,
        memory_bytes: u64,
        partition: u16,
        weight: u16,
    ) -> Result<()> {
        ensure!(
            is_name(name),
            "`{name}` is no name: up to 40 letters, digits, - and _"
        );
        ensure!(
            !self.held.contains_key(name),
            "there is a virtual machine {name} already: `unimux vm list`"
        );
        ensure!(
            memory_bytes >= 32 << 20,
            "a virtual machine has 32M at least"
        );
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let mut vm = Vm {
            name: name.to_owned(),
            memory_bytes: memory_bytes.next_multiple_of(huge_pages::BYTES),
            partition,
            weight,
            cookie: u64::try_from(now.as_nanos()).unwrap_or(u64::MAX),
            function: None,
            phase: Phase::Creating,
        };
        let paths = Paths::of(&self.directory, &self.run, name);
        ensure!(
            !paths.ram.exists() && !paths.doorbell.exists(),
            "{} exists, and no virtual machine of this agent has it: remove it if nothing uses it",
            paths.ram.display()
        );
        self.store.save(&vm)?;
        step("remember");
        match self.make(&mut vm, &paths) {
            Ok(memory) => {
                vm.phase = Phase::Ready;
                self.store.save(&vm)?;
                step("ready");
                let held = Held {
                    vm,
                    paths,
                    qemu: None,
                    wake: None,
                    memory,
                };
                self.held.insert(name.to_owned(), held);
                self.introduce();
                Ok(())
            }
            Err(error) => {
                if let Some(function) = vm.function {
                    let undone = self.physical.destroy(function);
                    undone.with_context(|| {
                        format!("{error:#}; and function {function} cannot be destroyed")
                    })?;
                }
                paths.remove()?;
                self.store.forget(name)?;
                Err(error)
            }
        }
    }

    fn make(&mut self, vm: &mut Vm, paths: &Paths) -> Result<Memory> {
        let memory = Memory::open(paths, vm.memory_bytes)?;
        step("memory");
        let new = NewFunction {
            doorbell: memory.doorbell_address()?,
            partition: vm.partition,
            weight: vm.weight,
            objects: OBJECTS,
            pages: PAGES,
            cookie: vm.cookie,
        };
        let function = self.physical.create(&new).map_err(refused)?;
        step("function");
        vm.function = Some(function);
        let frames = memory.frames()?;
        let shift = huge_pages::BYTES.trailing_zeros();
        self.physical
            .grant_pages(function, RAM_IPA, shift, &frames)
            .map_err(refused)?;
        step("windows");
        memory.tell(&self.info(vm));
        self.physical.open(function).map_err(refused)?;
        step("open");
        Ok(memory)
    }

    /// Ends a machine's function, and gives its memory back.
    pub(super) fn destroy(&mut self, name: &str, force: bool) -> Result<()> {
        let held = self.held.get_mut(name).ok_or_else(|| unknown(name))?;
        if let (Some(qemu), false) = (&held.qemu, force) {
            bail!(
                "QEMU still runs {name} (process {}): end it first, or use --force",
                qemu.pid
            );
        }
        let function = held.vm.function;
        held.vm.phase = Phase::Destroying;
        self.store.save(&held.vm)?;
        step("destroying");
        if let Some(function) = function {
            self.physical.destroy(function).map_err(refused)?;
        }
        step("destroyed");
        // Now, and not before, the pages may become somebody else's.
        held.paths.remove()?;
        step("removed");
        self.held.remove(name);
        self.store.forget(name)?;
        self.introduce();
        Ok(())
    }

    /// Takes a function back from the machine's present life, and opens it for the next.
    pub(super) fn reset(&mut self, name: &str) -> Result<()> {
        let held = self.held.get(name).ok_or_else(|| unknown(name))?;
        let function = held.vm.function.context("there is no function")?;
        self.physical.reset(function).map_err(refused)
    }

    /// Limits how fast a function may go.
    pub(super) fn limit(
        &mut self,
        name: &str,
        weight: u16,
        limits: unimux_driver::RateLimits,
    ) -> Result<()> {
        ensure!(weight > 0, "a weight is 1 at least");
        let held = self.held.get_mut(name).ok_or_else(|| unknown(name))?;
        let function = held.vm.function.context("there is no function")?;
        self.physical
            .set_limits(function, weight, limits)
            .map_err(refused)?;
        held.vm.weight = weight;
        self.store.save(&held.vm)
    }

    /// What the firmware says of a machine's function.
    pub(super) fn query(&mut self, function: u16) -> Result<FunctionReport> {
        self.physical.query(function).map_err(refused)
    }

    /// The next thing that the firmware has to tell.
    pub(super) fn event(&mut self) -> Result<Option<unimux_driver::Event>> {
        self.physical.poll_event().map_err(refused)
    }

    /// Has the firmware tell what it had no room for.
    pub(super) fn make_tell(&mut self) {
        self.physical.make_tell();
    }

    /// How many events this agent has lost.
    pub(super) fn lost_events(&self) -> u64 {
        self.physical.lost_events()
    }

    /// Tells every machine who its peers are.
    fn introduce(&self) {
        for held in self.held.values() {
            held.memory.tell(&self.info(&held.vm));
        }
    }

    fn info(&self, vm: &Vm) -> InfoPage {
        let named = |vm: &Vm| {
            let function = vm.function?;
            Some(Named {
                function: function.into(),
                name: vm.name.clone(),
            })
        };
        let others = self.held.values().map(|held| &held.vm);
        let others = others.filter(|it| it.partition == vm.partition && it.name != vm.name);
        InfoPage {
            own: named(vm).unwrap_or(Named {
                function: 0,
                name: vm.name.clone(),
            }),
            partition: vm.partition,
            peers: self
                .peers
                .iter()
                .cloned()
                .chain(others.filter_map(named))
                .collect(),
        }
    }
}

fn unknown(name: &str) -> anyhow::Error {
    anyhow!("there is no virtual machine {name}: `unimux vm list` shows which there are")
}

/// The firmware's refusal, with what it means for an agent.
fn refused(error: Error) -> anyhow::Error {
    let meaning = match error {
        Error::Refused(CommandStatus::QuotaExceeded) => {
            "all functions of the scenario are in use (`functions` of its kvm_host), or the machine \
             has more pieces of memory than a function can have"
        }
        Error::Refused(CommandStatus::OutOfReach) => {
            "the memory is not this host's own: it belongs to Unimux or to a partition guest"
        }
        Error::Refused(CommandStatus::InUse) => "another function has this memory already",
        Error::Timeout => "the firmware does not answer: does the engine core run?",
        _ => return error.into(),
    };
    anyhow!("{error}: {meaning}")
}
