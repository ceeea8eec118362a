//! A scenario as people write it: `xtask/scenarios/<name>.toml`.
//!
//! It is turned into an `unimux_scenario::Scenario` when it is known where the files it names will
//! lie in memory; what the numbers mean is checked there.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Deserializer};
use unimux_scenario::{
    Engine, EngineKind, Function, Guest, Host, Module, OnFault, Quota, Scenario,
    host::FUNCTIONS_DEFAULT,
};

use crate::typist::Cue;
use crate::workspace;

/// The whole file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScenarioFile {
    /// What it shows, one sentence.
    pub(crate) description: String,
    /// Cores of the machine, where the board lets one choose; otherwise what the board says.
    #[serde(default)]
    pub(crate) machine_cores: Option<u32>,
    /// The core of the firmware.
    #[serde(default)]
    pub(crate) engine_core: u32,
    /// What moves the bytes.
    #[serde(default)]
    engine: EngineEntry,
    /// Functions that belong to nobody.
    #[serde(default)]
    pub(crate) idle_functions: u32,
    /// Allows the baseline hypercalls.
    #[serde(default)]
    pub(crate) baseline: bool,
    /// Gives it to EL2 even if it is wrong, to see it refused.
    #[serde(default)]
    pub(crate) unchecked: bool,
    /// Memory of the machine; otherwise what the board says.
    #[serde(default, deserialize_with = "some_bytes")]
    pub(crate) machine_memory: Option<u64>,
    /// The guests.
    #[serde(default, rename = "guest")]
    pub(crate) guests: Vec<GuestEntry>,
    /// What is typed into them; no file says that.
    #[serde(skip)]
    pub(crate) typed: Vec<Cue>,
    /// The host of virtual machines.
    #[serde(default)]
    pub(crate) kvm_host: Option<HostEntry>,
}

/// `[engine]`.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct EngineEntry {
    /// The engine that has to be there; otherwise the best that the machine has.
    #[serde(default, deserialize_with = "engine_kind")]
    kind: Option<EngineKind>,
    /// The shortest request that is left to a DMA engine: 0 leaves all to it. Otherwise what was
    /// measured to be best.
    #[serde(default, deserialize_with = "some_bytes")]
    crossover_bytes: Option<u64>,
}

/// `[kvm_host]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HostEntry {
    cores: Vec<u32>,
    /// Its arm64 `Image`.
    pub(crate) kernel: Source,
    /// Its initial RAM disk.
    #[serde(default)]
    pub(crate) initrd: Option<Source>,
    #[serde(default)]
    arguments: String,
    #[serde(default)]
    functions: Option<u32>,
}

impl HostEntry {
    /// How many cores it has.
    pub(crate) fn core_count(&self) -> usize {
        self.cores.len()
    }

    /// Its kernel's command line.
    pub(crate) fn arguments(&self) -> &str {
        &self.arguments
    }
}

/// A kernel's command line with another job in it (`unimux.job=` of `xtask/linux`).
fn with_job(arguments: &str, job: &str) -> String {
    let words = arguments.split_whitespace();
    let mut words: Vec<&str> = words.filter(|it| !it.starts_with(JOB)).collect();
    let job = format!("{JOB}{job}");
    words.push(&job);
    words.join(" ")
}

/// What says the job among a kernel's arguments.
const JOB: &str = "unimux.job=";

/// One `[[guest]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GuestEntry {
    name: String,
    cores: Vec<u32>,
    /// Shares them, with this weight.
    #[serde(default)]
    share: Option<u32>,
    #[serde(deserialize_with = "bytes")]
    memory: u64,
    #[serde(default)]
    memory_at: Option<u64>,
    /// What runs in it.
    pub(crate) image: Source,
    /// What it finds at the end of its memory.
    #[serde(default)]
    pub(crate) payload: Option<Source>,
    #[serde(default)]
    arguments: String,
    #[serde(default)]
    on_fault: FaultEntry,
    #[serde(default)]
    partition: Option<u16>,
    #[serde(default)]
    weight: Option<u16>,
    #[serde(default)]
    quota: QuotaEntry,
}

impl GuestEntry {
    /// How many vCPUs it has.
    pub(crate) fn core_count(&self) -> usize {
        self.cores.len()
    }

    /// Its RAM.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.memory
    }

    /// Its argument line.
    pub(crate) fn arguments(&self) -> &str {
        &self.arguments
    }
}

/// Where the bytes of a module come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// `program:<name>`: a guest program of guest/programs.
    Program(String),
    /// `test:<claim>`: a claim of tests/guest.
    Claim(String),
    /// `test`: the claim that is being tested.
    ThisClaim,
    /// `payload`: the file of `run --payload`.
    Payload,
    /// `debian:<name>`: made of Debian's packages.
    Debian(String),
    /// A path from the top of the repository.
    File(PathBuf),
}

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Ok(match text.split_once(':') {
            Some(("program", name)) => Self::Program(name.into()),
            Some(("test", name)) => Self::Claim(name.into()),
            Some(("debian", name)) => Self::Debian(name.into()),
            _ if text == "test" => Self::ThisClaim,
            _ if text == "payload" => Self::Payload,
            _ => Self::File(text.into()),
        })
    }
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum FaultEntry {
    #[default]
    Stop,
    /// `{ restart = 3 }`
    Restart(u32),
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct QuotaEntry {
    pds: Option<u32>,
    cqs: Option<u32>,
    qps: Option<u32>,
    mrs: Option<u32>,
    pages: Option<u32>,
}

impl QuotaEntry {
    fn quota(self) -> Quota {
        let default = Quota::default();
        Quota {
            pds: self.pds.unwrap_or(default.pds),
            cqs: self.cqs.unwrap_or(default.cqs),
            qps: self.qps.unwrap_or(default.qps),
            mrs: self.mrs.unwrap_or(default.mrs),
            pages: self.pages.unwrap_or(default.pages),
        }
    }
}

impl ScenarioFile {
    /// Reads `name`: a scenario of the repository, or a path ending in `.toml`.
    pub(crate) fn load(name: &str) -> Result<Self> {
        let folder = workspace::root().join("xtask/scenarios");
        let path = if name.ends_with(".toml") {
            PathBuf::from(name)
        } else {
            folder.join(name).with_extension("toml")
        };
        let Ok(text) = fs::read_to_string(&path) else {
            bail!(
                "there is no scenario {}; there are: {}",
                workspace::short(&path),
                all()?.join(", ")
            );
        };
        Self::parse(&text).with_context(|| format!("in {}", workspace::short(&path)))
    }

    fn parse(text: &str) -> Result<Self> {
        Ok(toml::from_str(text)?)
    }

    /// Names of the guests.
    pub(crate) fn names(&self) -> Vec<String> {
        self.guests.iter().map(|it| it.name.clone()).collect()
    }

    /// Leaves out guests on cores that a machine of at most `cores` does not have.
    pub(crate) fn fit(&mut self, cores: u32) {
        self.machine_cores = self.machine_cores.map(|it| it.min(cores));
        self.guests
            .retain(|it| it.cores.iter().all(|core| *core < cores));
    }

    /// Has the host, or else guests that run Linux, do another job than the scenario says. False if nobody
    /// has a job.
    pub(crate) fn set_job(&mut self, job: &str) -> bool {
        let mut lines: Vec<&mut String> = match &mut self.kvm_host {
            Some(host) => vec![&mut host.arguments],
            None => self.guests.iter_mut().map(|it| &mut it.arguments).collect(),
        };
        lines.retain(|it| it.contains(JOB));
        for line in &mut lines {
            **line = with_job(line, job);
        }
        !lines.is_empty()
    }

    /// Adds the guests of another scenario, and the cores of its machine.
    pub(crate) fn join(&mut self, other: Self) {
        self.machine_cores = other.machine_cores.or(self.machine_cores);
        self.guests.extend(other.guests);
    }

    /// The scenario for the board, when it is known where each module lies: kernels of a host,
    /// which run where they are, and all others.
    pub(crate) fn resolve(
        &self,
        mut place: impl FnMut(&Source, Loaded) -> Result<Module>,
    ) -> Result<Scenario> {
        let host = match &self.kvm_host {
            None => None,
            Some(entry) => Some(Host {
                cores: entry.cores.clone(),
                kernel: place(&entry.kernel, Loaded::Kernel)?,
                initrd: match &entry.initrd {
                    None => None,
                    Some(initrd) => Some(place(initrd, Loaded::RamDisk)?),
                },
                arguments: entry.arguments.clone(),
                functions: entry.functions.unwrap_or(FUNCTIONS_DEFAULT),
            }),
        };
        let mut guests = Vec::new();
        for entry in &self.guests {
            let default = Function::default();
            guests.push(Guest {
                name: entry.name.clone(),
                cores: entry.cores.clone(),
                share: entry.share,
                memory_bytes: entry.memory,
                memory_at: entry.memory_at,
                image: place(&entry.image, Loaded::Image)?,
                payload: match &entry.payload {
                    None => None,
                    Some(payload) => Some(place(payload, Loaded::Module)?),
                },
                on_fault: match entry.on_fault {
                    FaultEntry::Stop => OnFault::Stop,
                    FaultEntry::Restart(times_max) => OnFault::Restart { times_max },
                },
                function: Function {
                    partition: entry.partition.unwrap_or(default.partition),
                    weight: entry.weight.unwrap_or(default.weight),
                    quota: entry.quota.quota(),
                },
                arguments: entry.arguments.clone(),
            });
        }
        Ok(Scenario {
            engine_core: self.engine_core,
            engine: Engine {
                kind: self.engine.kind,
                crossover_bytes: self
                    .engine
                    .crossover_bytes
                    .map(|bytes| u32::try_from(bytes).unwrap_or(u32::MAX)),
            },
            idle_functions: self.idle_functions,
            baseline: self.baseline,
            guests,
            host,
        })
    }
}

/// How a file lies in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loaded {
    /// As it is.
    Module,
    /// Unpacked, if it is compressed: a kernel that is copied before it runs.
    Image,
    /// As it is, if it is a file system that a kernel can unpack.
    RamDisk,
    /// Unpacked, with room for its variables: where it can run.
    Kernel,
}

/// Names of the scenarios of the repository.
pub(crate) fn all() -> Result<Vec<String>> {
    let folder = workspace::root().join("xtask/scenarios");
    let mut names: Vec<String> = fs::read_dir(&folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|it| it == "toml"))
        .filter_map(|path: PathBuf| Some(Path::new(path.file_stem()?).display().to_string()))
        .collect();
    names.sort();
    Ok(names)
}

/// `"64M"` or a number of bytes.
fn bytes<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Bytes {
        Number(u64),
        Text(String),
    }
    match Bytes::deserialize(from)? {
        Bytes::Number(bytes) => Ok(bytes),
        Bytes::Text(text) => parse_bytes(&text).ok_or_else(|| {
            serde::de::Error::custom(format!("{text:?} is no size: a number with K, M or G"))
        }),
    }
}

fn some_bytes<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    bytes(from).map(Some)
}

fn engine_kind<'de, D: Deserializer<'de>>(from: D) -> Result<Option<EngineKind>, D::Error> {
    let name = String::deserialize(from)?;
    let kind = EngineKind::named(&name);
    let names = || EngineKind::ALL.map(EngineKind::name).join(", ");
    let unknown = || format!("{name:?} is no engine: there are {}", names());
    kind.map(Some)
        .ok_or_else(|| serde::de::Error::custom(unknown()))
}

fn parse_bytes(text: &str) -> Option<u64> {
    let shift = match text.chars().last()? {
        'K' => 10,
        'M' => 20,
        'G' => 30,
        _ => return text.parse().ok(),
    };
    text[..text.len() - 1]
        .parse::<u64>()
        .ok()?
        .checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(guest: &str) -> Result<Scenario> {
        let head = "description = \"x\"\n[[guest]]\nname = \"a\"\ncores = [1]\nmemory = \"64M\"\n";
        ScenarioFile::parse(&format!("{head}{guest}"))?.resolve(|source, _| {
            Ok(Module {
                pa: 0x1000,
                len_bytes: format!("{source:?}").len() as u64,
            })
        })
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let scenario = parse("image = \"test\"").unwrap();
        assert_eq!(
            (
                scenario.engine_core,
                scenario.idle_functions,
                scenario.baseline
            ),
            (0, 0, false)
        );
        let guest = &scenario.guests[0];
        assert_eq!(guest.memory_bytes, 64 << 20);
        assert_eq!((guest.payload, guest.on_fault), (None, OnFault::Stop));
        assert_eq!(guest.function, Function::default());
    }

    #[test]
    fn a_smaller_machine_has_fewer_guests() {
        let mut bench = ScenarioFile::load("bench").unwrap();
        let before = bench.names();
        bench.fit(8);
        assert_eq!(bench.names(), before);
        bench.fit(4);
        assert_eq!(
            (bench.names(), bench.machine_cores),
            (before[..3].into(), Some(4))
        );
    }

    #[test]
    fn an_engine_can_be_asked_for() {
        let parse = |engine: &str| {
            let file = ScenarioFile::parse(&format!("description = \"x\"\n{engine}"))?;
            Ok::<_, anyhow::Error>(file.resolve(|_, _| bail!("no modules"))?.engine)
        };
        assert_eq!(parse("").unwrap(), Engine::default());
        let engine = parse("[engine]\nkind = \"zdma\"\ncrossover_bytes = \"16K\"").unwrap();
        assert_eq!(engine.kind, Some(EngineKind::Zdma));
        assert_eq!(engine.crossover_bytes, Some(16384));
        let error = format!("{:#}", parse("[engine]\nkind = \"abacus\"").unwrap_err());
        assert!(error.contains("there are cpu, zdma, cdma"), "{error}");
    }

    #[test]
    fn what_is_said_is_taken() {
        let text = "image = \"program:x\"\npayload = \"payload\"\non_fault = { restart = 3 }\n\
                    partition = 9\nweight = 2\nquota = { qps = 7 }\narguments = \"role=a\"";
        let guest = &parse(text).unwrap().guests[0];
        assert_eq!(guest.on_fault, OnFault::Restart { times_max: 3 });
        assert_eq!((guest.function.partition, guest.function.weight), (9, 2));
        assert_eq!(
            guest.function.quota,
            Quota {
                qps: 7,
                ..Quota::default()
            }
        );
        assert!(guest.payload.is_some() && guest.arguments == "role=a");
        assert_eq!(
            parse("image = \"x\"\non_fault = \"stop\"").unwrap().guests[0].on_fault,
            OnFault::Stop
        );
    }

    #[test]
    fn a_misspelt_key_is_refused() {
        for text in [
            "image = \"x\"\nwieght = 2",
            "image = \"x\"\nquota = { mr = 1 }",
            "",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sources_are_told_apart() {
        let source = |text: &str| {
            let text = format!(
                "description = \"\"\n[[guest]]\nname = \"a\"\ncores = []\nmemory = 1\nimage = \"{text}\""
            );
            ScenarioFile::parse(&text).unwrap().guests[0].image.clone()
        };
        assert_eq!(
            source("program:main-job"),
            Source::Program("main-job".into())
        );
        assert_eq!(source("test:a_claim"), Source::Claim("a_claim".into()));
        assert_eq!(source("test"), Source::ThisClaim);
        assert_eq!(source("payload"), Source::Payload);
        assert_eq!(source("some/Image"), Source::File("some/Image".into()));
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(parse_bytes("64M"), Some(64 << 20));
        assert_eq!(parse_bytes("1G"), Some(1 << 30));
        assert_eq!(parse_bytes("4096"), Some(4096));
        for text in ["", "M", "1T", "99999999999G", "-1M"] {
            assert_eq!(parse_bytes(text), None, "{text}");
        }
    }

    #[test]
    fn every_scenario_of_the_repository_can_be_read() {
        let names = all().unwrap();
        assert!(names.iter().any(|name| name == "pair"), "{names:?}");
        for name in names {
            ScenarioFile::load(&name).unwrap();
        }
    }
}
