//! What the device tree says of the machine: cores by affinity, entropy.

use alloc::vec::Vec;

use unimux_el2::core_id;
use unimux_tree::Tree;

/// Affinities of the cores, in the order of `/cpus`, which is how a scenario numbers them.
pub(crate) fn affinities(tree: &Tree<'_>) -> Vec<u64> {
    let Some(cpus) = tree.find_node("/cpus") else {
        return Vec::new();
    };
    cpus.children()
        .filter(|node| node.name_without_address() == "cpu")
        .filter_map(|node| node.reg()?.next())
        .map(|reg| reg.address & core_id::AFFINITY)
        .collect()
}

/// The seed that the boot loader left in `/chosen`.
pub(crate) fn seed(tree: &Tree<'_>) -> Option<Vec<u8>> {
    let chosen = tree.find_node("/chosen")?;
    chosen.property("rng-seed").map(|it| it.value().to_vec())
}
