//! The physical function's region: found in the device tree, mapped from /dev/mem.
//!
//! The region is `no-map` reserved memory, so Linux has no cacheable mapping of it and maps it for
//! the agent as device memory (arm64, `phys_mem_access_prot`).

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use rustix::fs::OFlags;
use unimux_abi::physical::{COMPATIBLE, DOORBELL, REGION_BYTES};
use unimux_driver::{DmaBlock, PhysicalFunction};
use unimux_linux::{Doorbell, mapping};

const NODES: &str = "/proc/device-tree/reserved-memory";
const MEMORY: &str = "/dev/mem";

/// Attaches the physical function of this host, whose region is at `address` if the caller knows.
pub(super) fn attach(address: Option<u64>) -> Result<PhysicalFunction<Doorbell>> {
    let address = match address {
        Some(address) => address,
        None => find(Path::new(NODES))?,
    };
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(OFlags::SYNC.bits().cast_signed())
        .open(MEMORY)
        .with_context(|| format!("cannot open {MEMORY}: run the agent as root"))?;
    let words = mapping::map(&file, address, REGION_BYTES as usize)
        .with_context(|| format!("cannot map the physical function at {address:#x}"))?;
    let doorbell = Doorbell::new(&words[DOORBELL as usize / 8..]);
    PhysicalFunction::attach(doorbell, DmaBlock::new(words, address)).with_context(|| {
        format!("cannot attach the physical function at {address:#x} (does Unimux run?)")
    })
}

/// The address in the node under `nodes` that is a physical function.
fn find(nodes: &Path) -> Result<u64> {
    let entries = fs::read_dir(nodes).into_iter().flatten().flatten();
    for node in entries {
        let compatible = fs::read(node.path().join("compatible")).unwrap_or_default();
        if compatible
            .split(|&byte| byte == 0)
            .any(|it| it == COMPATIBLE.as_bytes())
        {
            let cells = fs::read(node.path().join("reg"))?;
            return first_address(&cells)
                .with_context(|| format!("{} has a broken `reg`", node.path().display()));
        }
    }
    bail!(
        "no node under {} is compatible with \"{COMPATIBLE}\": was this host started by Unimux?",
        nodes.display()
    )
}

/// The address of a `reg` of two cells each (Devicetree Specification 2.3.6).
fn first_address(reg: &[u8]) -> Option<u64> {
    let (address, rest) = reg.split_first_chunk()?;
    let (size, _) = rest.split_first_chunk()?;
    (u64::from_be_bytes(*size) >= REGION_BYTES).then_some(u64::from_be_bytes(*address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_is_found_by_what_it_is_compatible_with() {
        let root = tempfile::tempdir().expect("a directory");
        assert!(find(root.path()).is_err());
        for (name, compatible) in [
            ("cma", "shared-dma-pool\0"),
            ("pf", "unimux,physical-function\0"),
        ] {
            let node = root.path().join(name);
            fs::create_dir(&node).expect("a directory");
            fs::write(node.join("compatible"), compatible).expect("a file");
            let reg = [0x7000_0000_u64.to_be_bytes(), REGION_BYTES.to_be_bytes()];
            fs::write(node.join("reg"), reg.concat()).expect("a file");
        }
        assert_eq!(find(root.path()).expect("a node"), 0x7000_0000);
        assert_eq!(first_address(&[0; 12]), None);
        assert_eq!(first_address(&[0; 16]), None, "too small a region");
    }
}
