//! The device tree that a run boots with: QEMU's own, with the scenario under `/chosen`.
//!
//! Files named by the scenario are put at the end of RAM, the first one last: as far away as can be
//! from the kernel and the tree, which QEMU puts near the beginning.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use dtoolkit::fdt::Fdt;
use dtoolkit::model::DeviceTree;
use unimux_scenario::{
    Machine, Module, Scenario,
    arm64_image::{HEADER_LEN, ImageHeader},
    host::IMAGE_ALIGN,
};
use unimux_tree::Tree;

use crate::scenario_file::Loaded;
use crate::workspace;

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
            Loaded::Module => (len_bytes, MODULE_ALIGN),
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

    /// QEMU's arguments that load them.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let device = |(path, module): &(PathBuf, Module)| {
            // A comma separates options; two are one comma in a value.
            let file = path.display().to_string().replace(',', ",,");
            let option = format!("loader,file={file},addr={:#x},force-raw=on", module.pa);
            ["-device".to_owned(), option]
        };
        self.placed.iter().flat_map(device).collect()
    }
}

/// Memory that a kernel takes from its first byte on.
fn image_bytes(path: &Path, len_bytes: u64) -> Result<u64> {
    let mut head = Vec::new();
    let file = fs::File::open(path)?;
    file.take(HEADER_LEN as u64).read_to_end(&mut head)?;
    let header = ImageHeader::parse(&head, len_bytes);
    Ok(header.map_or(len_bytes, |it| it.memory_bytes))
}

/// Puts the scenario into the tree that the machine has. If `check` is set, it is refused here
/// already when it is wrong; EL2 checks it again, with its own place in memory.
pub(crate) fn with_scenario(dtb: &[u8], scenario: &Scenario, check: bool) -> Result<Vec<u8>> {
    // The header says how long the tree is (Devicetree Specification, 5.2); QEMU's file is longer.
    let total = dtb
        .get(4..8)
        .and_then(|it| it.try_into().ok())
        .map(u32::from_be_bytes)
        .and_then(|total| dtb.get(..total as usize))
        .context("the device tree is cut off")?;
    let fdt = Fdt::new(total).context("the device tree of the machine")?;
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
    use dtoolkit::model::{DeviceTreeNode, DeviceTreeProperty};

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
    fn the_tree_of_the_machine_keeps_what_it_has() {
        let mut tree = DeviceTree::new();
        let mut chosen = DeviceTreeNode::new("chosen").unwrap();
        chosen.add_property(DeviceTreeProperty::new("rng-seed", 7u64).unwrap());
        tree.root.add_child(chosen);
        let scenario = Scenario {
            engine_core: 0,
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
