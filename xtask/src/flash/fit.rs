//! The FIT image: the EL2 image, the device tree and the guests' files in one file that U-Boot checks.
//!
//! A FIT image is a device tree with the files as properties (U-Boot, `doc/usage/fit/source_file_format.rst`).
//! It is the same for the same input, byte by byte.

use anyhow::Result;
use dtoolkit::error::ModelError;
use dtoolkit::model::{DeviceTree, DeviceTreeNode, DeviceTreeProperty};
use sha2::{Digest, Sha256};

/// What a part is, as U-Boot names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Is started.
    Kernel,
    /// The device tree that it gets.
    Tree,
    /// Only copied to its place.
    Loadable,
}

impl Kind {
    /// U-Boot's `uimage_type`. Loadables may have any.
    fn name(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Tree => "flat_dt",
            Self::Loadable => "firmware",
        }
    }
}

/// One of the files.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// Its node.
    pub(crate) name: String,
    /// What it is, for people.
    pub(crate) description: String,
    /// What U-Boot does with it.
    pub(crate) kind: Kind,
    /// Where U-Boot copies it.
    pub(crate) load: u64,
    /// The file.
    pub(crate) data: Vec<u8>,
}

/// Makes the image. Parts of each kind but loadables are there once.
pub(crate) fn build(description: &str, parts: &[Part]) -> Result<Vec<u8>> {
    let mut images = DeviceTreeNode::new("images")?;
    for part in parts {
        images.add_child(image(part)?);
    }
    let mut configuration = DeviceTreeNode::new("unimux")?;
    configuration.add_property(property("description", description)?);
    let named = |kind| parts.iter().filter(move |it| it.kind == kind);
    for (key, kind) in [("kernel", Kind::Kernel), ("fdt", Kind::Tree)] {
        for part in named(kind) {
            configuration.add_property(property(key, part.name.as_str())?);
        }
    }
    let loadables: Vec<&str> = named(Kind::Loadable).map(|it| it.name.as_str()).collect();
    if !loadables.is_empty() {
        configuration.add_property(DeviceTreeProperty::new("loadables", loadables)?);
    }
    let mut configurations = DeviceTreeNode::new("configurations")?;
    configurations.add_property(property("default", "unimux")?);
    configurations.add_child(configuration);

    let mut tree = DeviceTree::new();
    tree.root
        .add_property(property("description", description)?);
    // U-Boot refuses an image without (`fit_check_format`); with a true one no two would be the same.
    tree.root
        .add_property(DeviceTreeProperty::new("timestamp", 0u32)?);
    // Addresses of the boards' RAM may need two cells.
    tree.root
        .add_property(DeviceTreeProperty::new("#address-cells", 2u32)?);
    tree.root.add_child(images);
    tree.root.add_child(configurations);
    Ok(tree.to_dtb())
}

fn image(part: &Part) -> Result<DeviceTreeNode, ModelError> {
    let mut hash = DeviceTreeNode::new("hash-1")?;
    hash.add_property(property("algo", "sha256")?);
    let digest = Sha256::digest(&part.data).to_vec();
    hash.add_property(DeviceTreeProperty::new("value", digest)?);

    let mut node = DeviceTreeNode::new(part.name.as_str())?;
    node.add_property(property("description", &part.description)?);
    node.add_property(DeviceTreeProperty::new("data", part.data.clone())?);
    node.add_property(property("type", part.kind.name())?);
    node.add_property(property("arch", "arm64")?);
    node.add_property(property("os", "linux")?);
    node.add_property(property("compression", "none")?);
    node.add_property(DeviceTreeProperty::new("load", part.load)?);
    if part.kind == Kind::Kernel {
        node.add_property(DeviceTreeProperty::new("entry", part.load)?);
    }
    node.add_child(hash);
    Ok(node)
}

fn property(name: &str, value: &str) -> Result<DeviceTreeProperty, ModelError> {
    DeviceTreeProperty::new(name, value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dtoolkit::fdt::Fdt;
    use dtoolkit::{Node, Property};

    fn part(name: &str, kind: Kind) -> Part {
        Part {
            name: name.into(),
            description: "x".into(),
            kind,
            load: 0x8_0000_1000,
            data: vec![7; 5],
        }
    }

    #[test]
    fn it_names_its_parts_and_their_digests() {
        let parts = [
            part("unimux", Kind::Kernel),
            part("tree", Kind::Tree),
            part("a", Kind::Loadable),
            part("b", Kind::Loadable),
        ];
        let fit = build("test", &parts).unwrap();
        assert_eq!(fit, build("test", &parts).unwrap());
        let fdt = Fdt::new(&fit).unwrap();
        let unimux = fdt.find_node("/configurations/unimux").unwrap();
        let text = |name: &str| unimux.property(name).unwrap().value().to_vec();
        assert_eq!(text("kernel"), b"unimux\0");
        assert_eq!(text("fdt"), b"tree\0");
        assert_eq!(text("loadables"), b"a\0b\0");
        let image = fdt.find_node("/images/b").unwrap();
        assert_eq!(
            image.property("load").unwrap().value(),
            0x8_0000_1000u64.to_be_bytes()
        );
        assert!(image.property("entry").is_none());
        let hash = fdt.find_node("/images/b/hash-1").unwrap();
        assert_eq!(
            hash.property("value").unwrap().value(),
            &Sha256::digest([7; 5])[..]
        );
    }
}
