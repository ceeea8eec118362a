//! The device tree that the host is given: the machine's, less what is Unimux's.
//!
//! ```text
//!   /cpus            cores of other roles are gone, and the map of the cores with them
//!   /reserved-memory Unimux, guests, the physical function: no-map
//!   /chosen          the host's own arguments, RAM disk and entropy; no scenario
//!   virtio,mmio      transports of devices that Unimux drives are gone
//! ```
//!
//! All else is copied as it is.

use alloc::vec::Vec;

use unimux_abi::physical;
use unimux_scenario::{Host, HostLayout};
use unimux_tree::{Node, Tree};

use crate::flat_tree::{FlatTree, pair, reg, unit};

/// What differs from the machine's tree.
pub(crate) struct Edits<'a> {
    /// The host.
    pub(crate) host: &'a Host,
    /// Its memory.
    pub(crate) place: &'a HostLayout,
    /// Addresses of the virtio transports that Unimux keeps.
    pub(crate) transports: &'a [u64],
    /// Entropy that nobody else has.
    pub(crate) seed: [u8; 32],
}

/// Properties of `/chosen` that the host gets its own of.
const OWN_OF_CHOSEN: [&str; 4] = [
    "bootargs",
    "linux,initrd-start",
    "linux,initrd-end",
    "rng-seed",
];

/// Makes the tree.
// Not in line: steps of the boot, all in one function, are larger than apart.
#[inline(never)]
pub(crate) fn make(machine: &Tree<'_>, edits: &Edits<'_>) -> Vec<u8> {
    let mut tree = FlatTree::default();
    for it in machine.memory_reservations() {
        tree.reserve(it.address, it.len_bytes);
    }
    let root = machine.root();
    tree.begin("");
    copy_properties(&mut tree, root, &[]);
    let (mut has_chosen, mut has_reserved) = (false, false);
    for node in root.children() {
        match node.name() {
            "cpus" => cpus(&mut tree, node, edits),
            "chosen" => {
                has_chosen = true;
                tree.begin("chosen");
                copy_properties(&mut tree, node, &OWN_OF_CHOSEN);
                chosen(&mut tree, edits);
                copy_nodes(&mut tree, node, |inner| inner.name() != "unimux");
                tree.end();
            }
            "reserved-memory" => {
                has_reserved = true;
                tree.begin("reserved-memory");
                copy_properties(&mut tree, node, &[]);
                copy_nodes(&mut tree, node, |_| true);
                withhold(&mut tree, edits);
                tree.end();
            }
            _ if is_kept_back(node, edits) => {}
            _ => copy(&mut tree, node),
        }
    }
    if !has_chosen {
        tree.begin("chosen");
        chosen(&mut tree, edits);
        tree.end();
    }
    if !has_reserved {
        tree.begin("reserved-memory");
        tree.cells("#address-cells", &[2]);
        tree.cells("#size-cells", &[2]);
        tree.bytes("ranges", &[]);
        withhold(&mut tree, edits);
        tree.end();
    }
    tree.end();
    tree.finish()
}

fn copy_properties(tree: &mut FlatTree, node: Node<'_>, but: &[&str]) {
    for property in node.properties().filter(|it| !but.contains(&it.name())) {
        tree.bytes(property.name(), property.value());
    }
}

fn copy_nodes(tree: &mut FlatTree, node: Node<'_>, keep: impl Fn(&Node<'_>) -> bool) {
    for inner in node.children().filter(keep) {
        copy(tree, inner);
    }
}

/// Copies a node with all that is in it. Deep as the tree is, which the boot loader made.
fn copy(tree: &mut FlatTree, node: Node<'_>) {
    tree.begin(node.name());
    copy_properties(tree, node, &[]);
    copy_nodes(tree, node, |_| true);
    tree.end();
}

/// Cores are numbered in the order of their nodes, as scenarios number them.
fn cpus(tree: &mut FlatTree, node: Node<'_>, edits: &Edits<'_>) {
    tree.begin("cpus");
    copy_properties(tree, node, &[]);
    let mut core = 0;
    for inner in node.children() {
        match inner.name_without_address() {
            "cpu" => {
                if edits.host.cores.contains(&core) {
                    copy(tree, inner);
                }
                core += 1;
            }
            // It would name cores that are not there; Linux then goes by their affinity.
            "cpu-map" => {}
            _ => copy(tree, inner),
        }
    }
    tree.end();
}

fn chosen(tree: &mut FlatTree, edits: &Edits<'_>) {
    tree.texts("bootargs", &[&edits.host.arguments]);
    tree.bytes("rng-seed", &edits.seed);
    if let Some(range) = edits.host.initrd.and_then(|it| it.range()) {
        tree.cells("linux,initrd-start", &pair(range.base()));
        tree.cells("linux,initrd-end", &pair(range.end()));
    }
}

fn withhold(tree: &mut FlatTree, edits: &Edits<'_>) {
    for it in &edits.place.withheld {
        let is_physical = it.range == edits.place.physical;
        let name = if is_physical {
            "unimux-physical"
        } else {
            "unimux"
        };
        tree.begin(&unit(name, it.range.base()));
        if is_physical {
            tree.texts("compatible", &[physical::COMPATIBLE]);
        }
        tree.cells("reg", &reg(it.range.base(), it.range.len_bytes()));
        tree.bytes("no-map", &[]);
        tree.end();
    }
}

fn is_kept_back(node: Node<'_>, edits: &Edits<'_>) -> bool {
    node.name_without_address() == "virtio_mmio"
        && node.reg().is_some_and(|mut regs| {
            let first = regs.next();
            first.is_some_and(|it| edits.transports.contains(&it.address))
        })
}
