//! What tools must know of a board: its `bsp/<board>/board.toml`.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use unimux_scenario::{Engine, EngineKind};

use crate::tools::{DTC, QEMU, SETPRIV, Tool};
use crate::workspace;

/// A board. Fields that only the image needs are in the board's crate.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Board {
    /// Its name and that of its folder.
    pub(crate) name: String,
    /// One line.
    pub(crate) description: String,
    /// Rust's target.
    pub(crate) target: String,
    /// Feature of the package `unimux` that chooses it.
    pub(crate) feature: String,
    /// Where the first byte of the Image is loaded.
    pub(crate) load_address: u64,
    /// Banks of RAM: first byte, and bytes that there are at most.
    pub(crate) ram: Vec<[u64; 2]>,
    /// Source of its device tree in its folder, if nobody else describes the machine.
    pub(crate) device_tree: Option<String>,
    /// Where a loader puts the tree that cannot say where it is.
    pub(crate) device_tree_address: Option<u64>,
    /// DMA engines that it can have, beside the engine core.
    #[serde(default)]
    pub(crate) engines: Vec<String>,
    /// What Linux calls the UART of the console.
    pub(crate) linux_console: String,
    /// How QEMU models it, if it does.
    pub(crate) qemu: Option<Machine>,
    /// How its boot loader is reached.
    #[serde(default)]
    pub(crate) flash: Flash,
}

/// A machine of QEMU.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Machine {
    /// The program.
    pub(crate) binary: String,
    /// `-M`.
    pub(crate) machine: String,
    /// `-cpu`.
    pub(crate) cpu: String,
    /// `-smp`.
    pub(crate) cores: u32,
    /// The most that it can have, if there is a limit.
    pub(crate) cores_max: Option<u32>,
    /// `-m`, in MiB.
    pub(crate) memory_mib: u64,
    /// Which U-Boot of Debian's starts it, if one does.
    pub(crate) u_boot: Option<String>,
    /// Whether it has virtio MMIO transports.
    #[serde(default)]
    pub(crate) virtio: bool,
    /// What else it takes.
    #[serde(default)]
    pub(crate) args: Vec<String>,
}

/// What `cargo xtask flash` must know of a board's boot loader and debug port.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Flash {
    /// Bits per second of its console.
    pub(crate) baud: Option<u32>,
    /// bootgen's name of the chip, if its boot ROM wants a BOOT.BIN.
    pub(crate) bootgen: Option<String>,
    /// OpenOCD's configuration files for its debug port.
    #[serde(default)]
    pub(crate) openocd: Vec<String>,
}

impl Board {
    /// Reads a board's file.
    pub(crate) fn load(name: &str) -> Result<Self> {
        let folder = workspace::root().join("bsp");
        let path = folder.join(name).join("board.toml");
        let Ok(text) = fs::read_to_string(&path) else {
            bail!(
                "there is no board {name:?}; there are: {}",
                all()?.join(", ")
            );
        };
        toml::from_str(&text).with_context(|| format!("in {}", workspace::short(&path)))
    }

    /// A command line for Linux here: `{uart}` in it is the console.
    pub(crate) fn command_line(&self, words: &str) -> String {
        words.replace("{uart}", &self.linux_console)
    }

    /// The banks when there are `len_bytes` in all, filled from the first one on.
    pub(crate) fn banks(&self, len_bytes: u64) -> Result<Vec<[u64; 2]>> {
        let mut left = len_bytes;
        let mut banks = vec![];
        for [base, most] in &self.ram {
            let here = left.min(*most);
            if here > 0 {
                banks.push([*base, here]);
            }
            left -= here;
        }
        if left > 0 {
            bail!(
                "board {} has no room for {} MiB of RAM: it takes {} MiB less",
                self.name,
                len_bytes >> 20,
                left.div_ceil(1 << 20)
            );
        }
        Ok(banks)
    }

    /// What a scenario asks of the engine, as the image of this board reads it.
    pub(crate) fn engine(&self, asked: Engine) -> Result<Engine> {
        match asked.kind {
            // Nothing else is there: its image does not know the question.
            Some(EngineKind::Cpu) if self.engines.is_empty() => Ok(Engine::default()),
            None | Some(EngineKind::Cpu) => Ok(asked),
            Some(kind) if self.engines.iter().any(|it| it == kind.name()) => Ok(asked),
            Some(kind) => bail!(
                "board {} has no engine {}: it has {}",
                self.name,
                kind.name(),
                [&[EngineKind::Cpu.name().to_owned()], &*self.engines]
                    .concat()
                    .join(", ")
            ),
        }
    }

    /// Where the source of its device tree is.
    pub(crate) fn device_tree(&self) -> Option<PathBuf> {
        let folder = workspace::root().join("bsp").join(&self.name);
        self.device_tree.as_ref().map(|it| folder.join(it))
    }

    /// What is needed to run it.
    pub(crate) fn tools(&self) -> Vec<Tool> {
        let mut tools = vec![];
        if self.qemu.is_some() {
            tools.extend([QEMU, SETPRIV]);
        }
        if self.device_tree.is_some() {
            tools.push(DTC);
        }
        tools
    }

    /// The machine of QEMU, or what to do without.
    pub(crate) fn machine(&self) -> Result<&Machine> {
        self.qemu.as_ref().with_context(|| {
            format!(
                "board {} has no model in QEMU: use a board with [qemu] in its board.toml",
                self.name
            )
        })
    }
}

/// Names of all boards.
pub(crate) fn all() -> Result<Vec<String>> {
    let folder = workspace::root().join("bsp");
    let mut names: Vec<String> = fs::read_dir(&folder)?
        .filter_map(|entry| entry.ok())
        .filter(|entry| entry.path().join("board.toml").is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_board_of_the_repository_can_be_read() {
        let names = all().unwrap();
        assert!(names.iter().any(|name| name == "qemu-virt"), "{names:?}");
        for name in names {
            assert_eq!(Board::load(&name).unwrap().name, name);
        }
    }

    #[test]
    fn memory_fills_one_bank_after_the_other() {
        let mut board = Board::load("qemu-virt").unwrap();
        board.ram = vec![[0, 2 << 30], [8 << 30, 2 << 30]];
        let banks = |mib: u64| board.banks(mib << 20).ok();
        assert_eq!(banks(1024), Some(vec![[0, 1 << 30]]));
        assert_eq!(banks(2048), Some(vec![[0, 2 << 30]]));
        assert_eq!(banks(3072), Some(vec![[0, 2 << 30], [8 << 30, 1 << 30]]));
        assert_eq!(banks(4097), None);
    }

    #[test]
    fn an_engine_that_the_board_does_not_have_is_refused() {
        let [with, without] = ["zcu102", "qemu-virt"].map(|name| Board::load(name).unwrap());
        let asked = |kind| Engine {
            kind: Some(kind),
            crossover_bytes: Some(1),
        };
        let zdma = asked(EngineKind::Zdma);
        assert_eq!(with.engine(zdma).unwrap(), zdma);
        let message = without.engine(zdma).unwrap_err().to_string();
        assert!(message.contains("no engine zdma: it has cpu"), "{message}");
        let cpu = asked(EngineKind::Cpu);
        assert_eq!(with.engine(cpu).unwrap(), cpu);
        assert_eq!(without.engine(cpu).unwrap(), Engine::default());
    }

    #[test]
    fn an_unknown_board_names_those_that_are() {
        let message = Board::load("nowhere").unwrap_err().to_string();
        assert!(message.contains("qemu-virt"), "{message}");
    }
}
