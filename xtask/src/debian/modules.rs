//! Kernel modules in the order in which they can be loaded.
//!
//! The kernel's package has no `modules.dep` (depmod makes it where the package is installed), so
//! what a module needs is read from the module itself.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use object::{Object, ObjectSection};

/// All modules of a kernel.
pub(super) struct Modules(BTreeMap<String, PathBuf>);

impl Modules {
    /// Finds them below `folder`, that of one kernel release.
    pub(super) fn below(folder: &Path) -> Result<Self> {
        let mut found = BTreeMap::new();
        let mut open = vec![folder.to_owned()];
        while let Some(folder) = open.pop() {
            let entries =
                fs::read_dir(&folder).with_context(|| format!("no {}", folder.display()))?;
            for entry in entries {
                let path = entry?.path();
                if path.is_dir() {
                    open.push(path);
                } else if path.extension().is_some_and(|it| it == "ko")
                    && let Some(stem) = path.file_stem()
                {
                    found.insert(canonical(&stem.to_string_lossy()), path);
                }
            }
        }
        Ok(Self(found))
    }

    /// The files of `names` and of what they need, each after what it needs.
    pub(super) fn in_order(&self, names: &[&str]) -> Result<Vec<PathBuf>> {
        let mut order = Vec::new();
        for name in names {
            self.visit(name, &mut order)?;
        }
        Ok(order)
    }

    fn visit(&self, name: &str, order: &mut Vec<PathBuf>) -> Result<()> {
        let path = self
            .0
            .get(&canonical(name))
            .with_context(|| format!("the kernel has no module {name}"))?;
        if order.contains(path) {
            return Ok(());
        }
        // The kernel refuses a cycle when it is built: this ends.
        for needed in depends(&fs::read(path)?).with_context(|| path.display().to_string())? {
            self.visit(&needed, order)?;
        }
        order.push(path.clone());
        Ok(())
    }
}

/// File names have dashes where names have underscores, or not.
fn canonical(name: &str) -> String {
    name.replace('-', "_")
}

/// What the section `.modinfo` says the module needs: `depends=a,b` among strings that end with 0.
fn depends(module: &[u8]) -> Result<Vec<String>> {
    let file = object::File::parse(module)?;
    let section = file
        .section_by_name(".modinfo")
        .context("it is no kernel module")?;
    Ok(depends_in(section.data()?))
}

fn depends_in(modinfo: &[u8]) -> Vec<String> {
    modinfo
        .split(|byte| *byte == 0)
        .filter_map(|field| std::str::from_utf8(field).ok()?.strip_prefix("depends="))
        .flat_map(|list| list.split(','))
        .filter(|name| !name.is_empty())
        .map(canonical)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_are_read_from_the_strings_of_a_module() {
        let info = b"license=GPL\0depends=udp_tunnel,ip6-udp-tunnel\0name=rdma_rxe\0";
        assert_eq!(depends_in(info), ["udp_tunnel", "ip6_udp_tunnel"]);
        assert!(depends_in(b"depends=\0name=crc\0").is_empty());
    }
}
