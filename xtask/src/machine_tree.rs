//! The device tree that a run boots with: QEMU's own, with the scenario under `/chosen`.
//!
//! Files named by the scenario are put at the end of RAM, the first one last: as far away as can be
//! from the kernel and the tree, which QEMU puts near the beginning.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use dtoolkit::fdt::Fdt;
use dtoolkit::model::{DeviceTree, DeviceTreeNode, DeviceTreeProperty};
use dtoolkit::{Node, Property};
use unimux_scenario::{
    Machine, Module, PaRange, Scenario,
    arm64_image::{HEADER_LEN, ImageHeader},
    host::IMAGE_ALIGN,
};
use unimux_tree::Tree;

use crate::scenario_file::Loaded;
use crate::tools::{self, DTC};
use crate::{qemu, ram_disk, workspace};

/// Modules begin at pages.
const MODULE_ALIGN: u64 = 4096;

/// Files to load and where.
#[derive(Clone, Debug)]
pub(crate) struct Modules {
    /// First address that is taken.
    low: u64,
    placed: Vec<(PathBuf, Module)>,
}

impl Modules {
    /// None yet, in RAM that ends at `ram_end`.
    pub(crate) fn below(ram_end: u64) -> Self {
        Self {
            low: ram_end,
            placed: Vec::new(),
        }
    }

    /// None yet, at the end of the first bank of a machine, below what is reserved there and
    /// `taken` bytes.
    pub(crate) fn in_first_bank(dtb: &[u8], taken: u64) -> Result<Self> {
        let machine = Machine::read(&Tree::new(whole(dtb)?)?)?;
        let bank = machine.memory.first().context("it has memory")?;
        let mut end = bank.end();
        while let Some(above) = machine
            .reserved
            .iter()
            .find(|it| it.range.base() < end && it.range.end() >= end)
        {
            end = above.range.base();
        }
        Ok(Self::below(end.saturating_sub(taken)))
    }

    /// Places a file; the same file twice has one place.
    pub(crate) fn place(&mut self, path: &Path, loaded: Loaded) -> Result<Module> {
        if let Some((_, module)) = self.placed.iter().find(|(other, _)| other == path) {
            return Ok(*module);
        }
        let len_bytes = fs::metadata(path)
            .with_context(|| format!("no file {}", workspace::short(path)))?
            .len();
        if len_bytes == 0 {
            bail!(
                "{} is empty: there is nothing to load",
                workspace::short(path)
            );
        }
        let (memory_bytes, align) = match loaded {
            Loaded::Module | Loaded::Image => (len_bytes, MODULE_ALIGN),
            Loaded::RamDisk => {
                ram_disk::check(&fs::read(path)?)
                    .with_context(|| format!("{} is no RAM disk", workspace::short(path)))?;
                (len_bytes, MODULE_ALIGN)
            }
            // What is no Image is EL2's to refuse.
            Loaded::Kernel => (image_bytes(path, len_bytes)?, IMAGE_ALIGN),
        };
        let pa = self.low.checked_sub(memory_bytes).with_context(|| {
            format!(
                "no memory for the {memory_bytes} bytes of {}",
                path.display()
            )
        })? / align
            * align;
        let module = Module { pa, len_bytes };
        self.low = pa;
        self.placed.push((path.to_owned(), module));
        Ok(module)
    }

    /// First address that one of them takes.
    pub(crate) fn low(&self) -> u64 {
        self.low
    }

    /// All of them.
    pub(crate) fn placed(&self) -> &[(PathBuf, Module)] {
        &self.placed
    }

    /// QEMU's arguments that load them.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let placed = self.placed.iter();
        placed
            .flat_map(|(path, module)| loaded(path, module.pa, ""))
            .collect()
    }
}

/// QEMU's arguments that load a file.
pub(crate) fn loaded(path: &Path, address: u64, more: &str) -> [String; 2] {
    let file = qemu::option_value(path);
    let option = format!("loader,file={file},addr={address:#x},force-raw=on{more}");
    ["-device".to_owned(), option]
}

/// Memory that a kernel takes from its first byte on.
fn image_bytes(path: &Path, len_bytes: u64) -> Result<u64> {
    let mut head = Vec::new();
    let file = fs::File::open(path)?;
    file.take(HEADER_LEN as u64).read_to_end(&mut head)?;
    let header = ImageHeader::parse(&head, len_bytes);
    Ok(header.map_or(len_bytes, |it| it.memory_bytes))
}

/// Compiles the source of a board's tree.
pub(crate) fn compile(source: &Path, folder: &Path) -> Result<Vec<u8>> {
    let compiled = folder.join("machine.dtb");
    let mut dtc = DTC.command();
    dtc.args(["-q", "-I", "dts", "-O", "dtb", "-o"]);
    tools::quietly(dtc.args([&compiled, source])).with_context(|| workspace::short(source))?;
    Ok(fs::read(&compiled)?)
}

/// What a simulator has that a board may not have.
#[derive(Clone, Debug)]
pub(crate) struct Simulator {
    /// First byte and bytes of each bank of its RAM.
    pub(crate) memory: Vec<[u64; 2]>,
    /// Makes the entropy the same every time.
    pub(crate) seed: Option<u32>,
}

/// The tree of a machine that a simulator is: with its memory, entropy, and somebody to be told how
/// the run ends; and as it has no caches, all DMA is coherent.
pub(crate) fn in_simulator(dtb: &[u8], simulator: &Simulator) -> Result<Vec<u8>> {
    let mut tree = DeviceTree::from_fdt(&fdt(whole(dtb)?)?);
    let its_memory = |node: &&mut DeviceTreeNode| {
        let kind = node.property("device_type");
        kind.is_some_and(|it| it.value() == b"memory\0")
    };
    let memory = tree.root.children_mut().find(its_memory);
    let memory = memory.context("the device tree of the machine has no memory")?;
    let numbers = simulator.memory.iter().flatten();
    let cells: Vec<u32> = numbers
        .flat_map(|it| [(it >> 32) as u32, *it as u32])
        .collect();
    memory.add_property(DeviceTreeProperty::new("reg", cells)?);
    let on_buses = tree.root.children_mut().flat_map(|bus| bus.children_mut());
    for node in on_buses.filter(|it| it.name().starts_with("dma-controller@")) {
        node.add_property(DeviceTreeProperty::new("dma-coherent", [0_u8; 0])?);
    }
    let chosen = chosen(&mut tree)?;
    chosen.add_property(DeviceTreeProperty::new("unimux,semihosting", [0_u8; 0])?);
    if chosen.property(SEED).is_none() {
        chosen.add_property(DeviceTreeProperty::new(SEED, entropy(simulator.seed)?)?);
    }
    Ok(tree.to_dtb())
}

/// The tree of a board, with entropy that is new each time this is called.
///
/// A card has the same at every boot. It is a secret as long as the card is, and Unimux stirs the
/// time into it.
pub(crate) fn on_board(dtb: &[u8]) -> Result<Vec<u8>> {
    let mut tree = DeviceTree::from_fdt(&fdt(whole(dtb)?)?);
    chosen(&mut tree)?.add_property(DeviceTreeProperty::new(SEED, entropy(None)?)?);
    Ok(tree.to_dtb())
}

/// Where a loader puts entropy, below `/chosen`.
const SEED: &str = "rng-seed";

fn chosen(tree: &mut DeviceTree) -> Result<&mut DeviceTreeNode> {
    let name = "chosen";
    if tree.root.child_mut(name).is_none() {
        tree.root.add_child(DeviceTreeNode::new(name)?);
    }
    tree.root.child_mut(name).context("it is there now")
}

/// The bank of RAM that files are put into.
pub(crate) fn first_bank(dtb: &[u8]) -> Result<PaRange> {
    let machine = Machine::read(&Tree::new(whole(dtb)?)?)?;
    machine.memory.first().copied().context("it has memory")
}

/// Random bytes, or with a seed always the same.
fn entropy(seed: Option<u32>) -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    match seed {
        Some(seed) => bytes[..4].copy_from_slice(&seed.to_le_bytes()),
        None => fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?,
    }
    Ok(bytes)
}

/// The tree alone: its header says how long it is (Devicetree Specification, 5.2); a file is longer.
fn whole(dtb: &[u8]) -> Result<&[u8]> {
    dtb.get(4..8)
        .and_then(|it| it.try_into().ok())
        .map(u32::from_be_bytes)
        .and_then(|total| dtb.get(..total as usize))
        .context("the device tree is cut off")
}

fn fdt(dtb: &[u8]) -> Result<Fdt<'_>> {
    Fdt::new(dtb).context("the device tree of the machine")
}

/// Puts the scenario into the tree that the machine has. If `check` is set, it is refused here
/// already when it is wrong; EL2 checks it again, with its own place in memory.
pub(crate) fn with_scenario(dtb: &[u8], scenario: &Scenario, check: bool) -> Result<Vec<u8>> {
    let total = whole(dtb)?;
    let fdt = fdt(total)?;
    if check {
        let machine = Machine::read(&Tree::new(total)?)?;
        unimux_scenario::check(scenario, &machine)
            .map_err(|refusal| anyhow::anyhow!("{refusal}"))
            .context("the scenario is refused")?;
    }
    let mut tree = DeviceTree::from_fdt(&fdt);
    unimux_scenario::write(scenario, &mut tree);
    Ok(tree.to_dtb())
}

#[cfg(test)]
mod tests {
    use super::*;
    use dtoolkit::memreserve::MemoryReservation;

    fn file(folder: &tempfile::TempDir, name: &str, len: usize) -> PathBuf {
        let path = folder.path().join(name);
        fs::write(&path, vec![1; len]).unwrap();
        path
    }

    #[test]
    fn files_lie_at_the_end_of_memory_once_each() {
        let folder = tempfile::tempdir().unwrap();
        let [a, b] = [file(&folder, "a", 1), file(&folder, "b,c", 5000)];
        let mut modules = Modules::below(0x8000_0000);
        assert_eq!(
            modules.place(&a, Loaded::Module).unwrap(),
            Module {
                pa: 0x7fff_f000,
                len_bytes: 1
            }
        );
        assert_eq!(
            modules.place(&b, Loaded::Module).unwrap(),
            Module {
                pa: 0x7fff_d000,
                len_bytes: 5000
            }
        );
        assert_eq!(modules.place(&a, Loaded::Module).unwrap().pa, 0x7fff_f000);
        let arguments = modules.arguments();
        assert_eq!(arguments.len(), 4);
        assert!(
            arguments[3].contains("b,,c,addr=0x7fffd000,"),
            "{}",
            arguments[3]
        );
    }

    #[test]
    fn files_lie_below_what_the_end_of_the_first_bank_is_reserved_for() {
        let mut tree = tree_with_memory();
        let memory = tree.root.child_mut("memory@0").unwrap();
        let banks = [0u32, 0, 0, 0x8000_0000, 8, 0, 0, 0x8000_0000];
        memory.add_property(DeviceTreeProperty::new("reg", banks).unwrap());
        let mut cpus = DeviceTreeNode::new("cpus").unwrap();
        cpus.add_child(DeviceTreeNode::new("cpu@0").unwrap());
        tree.root.add_child(cpus);
        tree.memory_reservations = [
            (0x7ff0_0000, 0x10_0000),
            (0x7fe0_0000, 0x10_0000),
            (0x1000, 0x1000),
        ]
        .map(|(base, len_bytes)| MemoryReservation::new(base, len_bytes))
        .into();
        let modules = Modules::in_first_bank(&tree.to_dtb(), 0x1000).unwrap();
        assert_eq!(modules.low, 0x7fdf_f000);
    }

    #[test]
    fn files_that_cannot_be_loaded_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut modules = Modules::below(4096);
        for path in [
            file(&folder, "empty", 0),
            file(&folder, "large", 5000),
            "/no/such".into(),
        ] {
            assert!(
                modules.place(&path, Loaded::Module).is_err(),
                "{}",
                path.display()
            );
        }
    }

    #[test]
    fn a_simulator_has_no_caches_that_dma_could_miss() {
        let mut tree = tree_with_memory();
        let mut bus = DeviceTreeNode::new("axi").unwrap();
        for name in ["dma-controller@fd500000", "serial@ff000000"] {
            bus.add_child(DeviceTreeNode::new(name).unwrap());
        }
        tree.root.add_child(bus);
        let simulator = Simulator {
            memory: vec![[0, 4096]],
            seed: Some(1),
        };
        let dtb = in_simulator(&tree.to_dtb(), &simulator).unwrap();
        let tree = Tree::new(&dtb).unwrap();
        let is_coherent = |path: &str| {
            let node = tree.find_node(path).unwrap();
            node.property("dma-coherent").is_some()
        };
        assert!(is_coherent("/axi/dma-controller@fd500000"));
        assert!(!is_coherent("/axi/serial@ff000000"));
    }

    /// A tree that has a property of a machine: memory of some size.
    fn tree_with_memory() -> DeviceTree {
        let mut memory = DeviceTreeNode::new("memory@0").unwrap();
        memory.add_property(DeviceTreeProperty::new("device_type", "memory").unwrap());
        memory.add_property(DeviceTreeProperty::new("reg", [0u32, 0, 0, 4096]).unwrap());
        let mut tree = DeviceTree::new();
        let mut cells = |name: &str| {
            let two = DeviceTreeProperty::new(name, 2u32).unwrap();
            tree.root.add_property(two);
        };
        cells("#address-cells");
        cells("#size-cells");
        tree.root.add_child(memory);
        tree
    }

    #[test]
    fn a_simulator_says_its_memory_and_gives_entropy_where_nobody_else_does() {
        let simulator = |seed| Simulator {
            memory: vec![[0x4000_0000, 3 << 30], [1 << 40, 4096]],
            seed,
        };
        let seed_of = |dtb: &[u8]| {
            let tree = Tree::new(dtb).unwrap();
            let chosen = tree.find_node("/chosen").unwrap();
            assert!(chosen.property("unimux,semihosting").is_some());
            chosen.property("rng-seed").unwrap().value().to_vec()
        };
        let dtb = tree_with_memory().to_dtb();
        let made = [None, None, Some(7), Some(7)]
            .map(|seed| in_simulator(&dtb, &simulator(seed)).unwrap());
        let tree = Tree::new(&made[0]).unwrap();
        let banks = tree.find_node("/memory@0").unwrap().reg().unwrap();
        let banks: Vec<_> = banks.map(|it| [it.address, it.len_bytes]).collect();
        assert_eq!(banks, simulator(None).memory);
        assert_ne!(seed_of(&made[0]), seed_of(&made[1]));
        assert_eq!(seed_of(&made[2]), seed_of(&made[3]));
        let again = in_simulator(&made[0], &simulator(Some(7))).unwrap();
        assert_eq!(seed_of(&again), seed_of(&made[0]), "what is there is kept");
        let none = DeviceTree::new().to_dtb();
        assert!(in_simulator(&none, &simulator(None)).is_err());
    }

    #[test]
    fn the_tree_of_the_machine_keeps_what_it_has() {
        let mut tree = DeviceTree::new();
        let mut chosen = DeviceTreeNode::new("chosen").unwrap();
        chosen.add_property(DeviceTreeProperty::new("rng-seed", 7u64).unwrap());
        tree.root.add_child(chosen);
        let scenario = Scenario {
            engine_core: 0,
            engine: unimux_scenario::Engine::default(),
            idle_functions: 3,
            baseline: false,
            guests: vec![],
            host: None,
        };
        let mut dtb = tree.to_dtb();
        // As QEMU pads it.
        dtb.resize(dtb.len() + 1000, 0);
        let dtb = with_scenario(&dtb, &scenario, false).unwrap();
        let fdt = Fdt::new(&dtb).unwrap();
        let read = Tree::new(&dtb).unwrap();
        assert_eq!(unimux_scenario::read(&read), Ok(scenario.clone()));
        assert!(DeviceTree::from_fdt(&fdt).to_string().contains("rng-seed"));
        assert!(
            with_scenario(&dtb, &scenario, true).is_err(),
            "it has no cores"
        );
        assert!(with_scenario(&dtb[..20], &scenario, false).is_err());
    }
}
