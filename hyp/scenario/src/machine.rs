//! What the board has: cores, memory, and the parts of memory that are taken.

use alloc::vec::Vec;

use unimux_text::texts;
use unimux_tree::{Node, Tree};

use crate::PaRange;

/// The machine that a scenario is checked against.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// Number of cores: the indices 0 to `cores` - 1 exist.
    pub cores: u32,
    /// The RAM.
    pub memory: Vec<PaRange>,
    /// Parts of the RAM (or beside it) that nothing may be put on.
    pub reserved: Vec<Reserved>,
}

/// A part of memory that is taken before any guest comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserved {
    /// By what, for the report.
    pub what: &'static str,
    /// Where.
    pub range: PaRange,
}

/// Why a device tree does not describe a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MachineError {
    /// No `/cpus` with a `cpu` in it.
    NoCores,
    /// No memory node with a range in it.
    NoMemory,
    /// A `reg` that is not made of address and size.
    Reg(&'static str),
}

texts!(MachineError {
    Self::NoCores => "the device tree names no cores";
    Self::NoMemory => "the device tree names no memory";
    Self::Reg(under) => "the device tree has a reg property under /{} that cannot be read", under;
});

impl core::error::Error for MachineError {}

impl Machine {
    /// Reads cores, memory and reservations from the board's tree. Whoever knows adds where Unimux
    /// and the tree itself lie.
    ///
    /// # Errors
    /// [`MachineError`], if there are no cores or no memory, or they cannot be read.
    pub fn read(tree: &Tree<'_>) -> Result<Self, MachineError> {
        let mut machine = Self {
            cores: cores(tree)?,
            ..Self::default()
        };
        for node in tree.root().children() {
            let is_memory = node
                .property("device_type")
                .and_then(|it| it.text())
                .is_some_and(|it| it == "memory");
            if is_memory {
                ranges(node, "memory", |range| machine.memory.push(range))?;
            }
        }
        if machine.memory.is_empty() {
            return Err(MachineError::NoMemory);
        }
        let mut reserve = |range| {
            machine.reserved.push(Reserved {
                what: "reserved memory",
                range,
            })
        };
        if let Some(parent) = tree.find_node("/reserved-memory") {
            for node in parent.children() {
                ranges(node, "reserved-memory", &mut reserve)?;
            }
        }
        for it in tree.memory_reservations() {
            if let Some(range) = PaRange::new(it.address, it.len_bytes) {
                reserve(range);
            }
        }
        Ok(machine)
    }

    /// Adds a part of memory that is taken. An empty range takes nothing.
    #[must_use]
    pub fn with_reserved(mut self, what: &'static str, base: u64, len_bytes: u64) -> Self {
        if let Some(range) = PaRange::new(base, len_bytes) {
            self.reserved.push(Reserved { what, range });
        }
        self
    }
}

fn cores(tree: &Tree<'_>) -> Result<u32, MachineError> {
    let cpus = tree.find_node("/cpus").ok_or(MachineError::NoCores)?;
    let count = cpus
        .children()
        .filter(|it| it.name_without_address() == "cpu")
        .count();
    match u32::try_from(count) {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(MachineError::NoCores),
    }
}

fn ranges(
    node: Node<'_>,
    under: &'static str,
    mut each: impl FnMut(PaRange),
) -> Result<(), MachineError> {
    for reg in node.reg().ok_or(MachineError::Reg(under))? {
        if let Some(range) = PaRange::new(reg.address, reg.len_bytes) {
            each(range);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use dtoolkit::memreserve::MemoryReservation;
    use dtoolkit::model::{DeviceTree, DeviceTreeNode, DeviceTreeProperty};

    fn node(name: &str, reg: &[u32], kind: Option<&str>) -> DeviceTreeNode {
        let mut node = DeviceTreeNode::new(name).unwrap();
        node.add_property(DeviceTreeProperty::new("reg", reg).unwrap());
        if let Some(kind) = kind {
            node.add_property(DeviceTreeProperty::new("device_type", kind).unwrap());
        }
        node
    }

    fn tree() -> DeviceTree {
        let mut tree = DeviceTree::new();
        tree.root
            .add_property(DeviceTreeProperty::new("#address-cells", 2u32).unwrap());
        tree.root
            .add_property(DeviceTreeProperty::new("#size-cells", 2u32).unwrap());
        let mut cpus = DeviceTreeNode::new("cpus").unwrap();
        for name in ["cpu@0", "cpu@1"] {
            cpus.add_child(DeviceTreeNode::new(name).unwrap());
        }
        cpus.add_child(DeviceTreeNode::new("cpu-map").unwrap());
        tree.root.add_child(cpus);
        tree.root.add_child(node(
            "memory@40000000",
            &[0, 0x4000_0000, 1, 0],
            Some("memory"),
        ));
        tree
    }

    fn read(tree: &DeviceTree) -> Result<Machine, MachineError> {
        Machine::read(&Tree::new(&tree.to_dtb()).unwrap())
    }

    fn range(base: u64, len_bytes: u64) -> PaRange {
        PaRange::new(base, len_bytes).unwrap()
    }

    #[test]
    fn cores_memory_and_reservations_are_read() {
        let mut tree = tree();
        let mut parent = DeviceTreeNode::new("reserved-memory").unwrap();
        parent.add_property(DeviceTreeProperty::new("#address-cells", 2u32).unwrap());
        parent.add_property(DeviceTreeProperty::new("#size-cells", 2u32).unwrap());
        parent.add_child(node("secure@50000000", &[0, 0x5000_0000, 0, 0x1000], None));
        tree.root.add_child(parent);
        tree.memory_reservations
            .push(MemoryReservation::new(0x6000_0000, 0x2000));
        let machine = read(&tree)
            .unwrap()
            .with_reserved("Unimux", 1, 1)
            .with_reserved("none", 1, 0);
        assert_eq!(machine.cores, 2);
        assert_eq!(machine.memory, vec![range(0x4000_0000, 1 << 32)]);
        let reserved: Vec<_> = machine.reserved.iter().map(|it| it.range).collect();
        assert_eq!(
            reserved,
            [
                range(0x5000_0000, 0x1000),
                range(0x6000_0000, 0x2000),
                range(1, 1)
            ]
        );
    }

    #[test]
    fn a_tree_without_cores_or_memory_is_refused() {
        let mut none = tree();
        none.root.remove_child("memory@40000000");
        assert_eq!(read(&none), Err(MachineError::NoMemory));
        none.root
            .add_child(node("memory@0", &[0, 0, 1], Some("memory")));
        assert_eq!(read(&none), Err(MachineError::Reg("memory")));
        none.root.remove_child("cpus");
        assert_eq!(read(&none), Err(MachineError::NoCores));
    }
}
