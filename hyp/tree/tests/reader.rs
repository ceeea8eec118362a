//! The reader against trees that somebody else's writer made, whole and damaged.
#![expect(clippy::unwrap_used, reason = "a test")]

use dtoolkit::memreserve::MemoryReservation;
use dtoolkit::model::{DeviceTree, DeviceTreeNode, DeviceTreeProperty};
use proptest::prelude::*;
use unimux_tree::{DEPTH_MAX, Node, Reg, Reservation, Tree, TreeError};

fn node(name: &str, properties: &[(&str, &[u8])], inner: Vec<DeviceTreeNode>) -> DeviceTreeNode {
    let mut node = DeviceTreeNode::new(name).unwrap();
    for (name, value) in properties {
        node.add_property(DeviceTreeProperty::new(*name, *value).unwrap());
    }
    for child in inner {
        node.add_child(child);
    }
    node
}

const TWO: &[u8] = &[0, 0, 0, 2];

fn sample() -> Vec<u8> {
    let mut tree = DeviceTree::new();
    let reservation = MemoryReservation::new(0x6000_0000, 0x2000);
    tree.memory_reservations.push(reservation);
    for (name, value) in [
        ("#address-cells", TWO),
        ("#size-cells", TWO),
        ("empty", &[]),
    ] {
        tree.root
            .add_property(DeviceTreeProperty::new(name, value).unwrap());
    }
    let reg = [0, 0, 0, 1, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0];
    let memory: &[(&str, &[u8])] = &[("device_type", b"memory\0"), ("reg", &reg)];
    let cpu = |name, index: u8| node(name, &[("reg", &[0, 0, 0, index])], vec![]);
    let cells: &[(&str, &[u8])] = &[
        ("#address-cells", &[0, 0, 0, 1]),
        ("#size-cells", &[0, 0, 0, 0]),
    ];
    let cpus = vec![
        cpu("cpu@0", 0),
        node("cpu-map", &[], vec![]),
        cpu("cpu@1", 1),
    ];
    tree.root
        .add_child(node("memory@140000000", memory, vec![]));
    tree.root.add_child(node("cpus", cells, cpus));
    tree.to_dtb()
}

#[test]
fn nodes_and_properties_are_found() {
    let bytes = sample();
    let tree = Tree::new(&bytes).unwrap();
    assert_eq!(tree.data(), bytes);
    let names: Vec<_> = tree.root().children().map(|it| it.name()).collect();
    assert_eq!(names, ["memory@140000000", "cpus"]);
    assert_eq!(tree.root().property("empty").unwrap().value(), []);
    assert_eq!(tree.root().property("empty").unwrap().text(), None);
    let memory = tree.find_node("/memory").unwrap();
    assert_eq!(
        memory.property("device_type").unwrap().text(),
        Some("memory")
    );
    assert_eq!(memory.property("device_type").unwrap().number(), None);
    let reg = Reg {
        address: 0x1_4000_0000,
        len_bytes: 0x1000,
    };
    assert_eq!(memory.reg().unwrap().collect::<Vec<_>>(), [reg]);
    let cpus = tree.find_node("/cpus").unwrap();
    let named: Vec<_> = cpus
        .children()
        .map(|it| it.name_without_address())
        .collect();
    assert_eq!(named, ["cpu", "cpu-map", "cpu"]);
    let reg = |it: Node<'_>| it.reg().unwrap().next().map(|it| it.address);
    let affinities: Vec<_> = cpus.children().map(reg).collect();
    assert_eq!(affinities, [Some(0), None, Some(1)]);
    assert_eq!(tree.find_node("/cpus/cpu@1").unwrap().name(), "cpu@1");
    assert!(tree.find_node("/cpus/cpu@2").is_none());
    assert_eq!(tree.find_node("/").unwrap().name(), "");
    let reservation = Reservation {
        address: 0x6000_0000,
        len_bytes: 0x2000,
    };
    let reservations: Vec<_> = tree.memory_reservations().collect();
    assert_eq!(reservations, [reservation]);
}

#[test]
fn the_length_is_in_the_first_bytes() {
    let bytes = sample();
    let first = bytes.first_chunk().unwrap();
    assert_eq!(Tree::len_bytes(first), Some(bytes.len()));
    assert_eq!(Tree::len_bytes(&[0; 8]), None);
    let mut longer = bytes.clone();
    longer.push(0);
    assert_eq!(Tree::new(&longer).unwrap().data(), bytes);
}

#[test]
fn what_is_no_tree_is_refused() {
    let error = |bytes: &[u8]| Tree::new(bytes).err();
    let bytes = sample();
    assert_eq!(error(&[]), Some(TreeError::CutOff));
    assert_eq!(error(b"\x7fELF...."), Some(TreeError::Magic));
    for len in 4..bytes.len() {
        assert_eq!(error(&bytes[..len]), Some(TreeError::CutOff), "{len}");
    }
    let mut old = bytes.clone();
    old[23] = 16;
    assert_eq!(error(&old), Some(TreeError::Version));
}

#[test]
fn trees_are_bounded_in_depth() {
    let deep = |depth| {
        let mut tree = DeviceTree::new();
        let mut inner = DeviceTreeNode::new("a").unwrap();
        for _ in 2..depth {
            inner = node("a", &[], vec![inner]);
        }
        tree.root.add_child(inner);
        tree.to_dtb()
    };
    assert!(Tree::new(&deep(DEPTH_MAX)).is_ok());
    let error = Tree::new(&deep(DEPTH_MAX + 1)).err();
    assert_eq!(error, Some(TreeError::Structure));
}

/// Everything that can be read of a node and below.
fn visit(node: Node<'_>, depth: usize) -> usize {
    assert!(depth <= DEPTH_MAX);
    let read = |it: unimux_tree::Property<'_>| {
        let _ = (it.text(), it.number(), it.name());
        it.value().len()
    };
    let own: usize = node.properties().map(read).sum();
    let places = node.reg().map_or(0, Iterator::count);
    own + places
        + node
            .children()
            .map(|it| visit(it, depth + 1))
            .sum::<usize>()
}

proptest! {
    #[test]
    fn a_damaged_tree_is_read_or_refused(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = sample();
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Ok(tree) = Tree::new(&bytes) {
            visit(tree.root(), 1);
            tree.memory_reservations().count();
        }
    }
}
