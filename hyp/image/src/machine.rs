//! What the device tree says of the machine: cores by affinity, virtio transports, entropy.

use alloc::vec::Vec;

use dtoolkit::{Node, Property, fdt::Fdt};
use unimux_el2::core_id;

/// Affinities of the cores, in the order of `/cpus`, which is how a scenario numbers them.
pub(crate) fn affinities(tree: &Fdt<'_>) -> Vec<u64> {
    let Some(cpus) = tree.find_node("/cpus") else {
        return Vec::new();
    };
    cpus.children()
        .filter(|node| node.name_without_address() == "cpu")
        .filter_map(|node| node.reg().ok()??.next()?.address::<u64>().ok())
        .map(|affinity| affinity & core_id::AFFINITY)
        .collect()
}

/// Register frames of virtio MMIO transports.
pub(crate) fn virtio_transports(tree: &Fdt<'_>) -> Vec<(u64, u64)> {
    tree.root()
        .children()
        .filter(|node| {
            let compatible = node.property("compatible");
            compatible.is_some_and(|it| it.value_as::<&str>() == Ok("virtio,mmio"))
        })
        .filter_map(|node| {
            let reg = node.reg().ok()??.next()?;
            Some((reg.address().ok()?, reg.size().ok()?))
        })
        .collect()
}

/// The seed that the boot loader left in `/chosen`.
pub(crate) fn seed(tree: &Fdt<'_>) -> Option<Vec<u8>> {
    let chosen = tree.find_node("/chosen")?;
    chosen.property("rng-seed").map(|it| it.value().to_vec())
}
