//! Where the parts lie in memory while U-Boot starts the image, and whether they fit.
//!
//! ```text
//! RAM  ┌───────┬───────┬───────────┬──────┬─────────────────────┬────────┐
//!      │ image │ tree  │ FIT image │  …   │ guests' images etc. │ U-Boot │
//!      └───────┴───────┴───────────┴──────┴─────────────────────┴────────┘
//! ```
//!
//! U-Boot reads the FIT image as a whole, then copies each part of it to its place.

use anyhow::{Result, bail};
use unimux_scenario::PaRange;

/// Trees begin at such addresses, and none may be longer (arm64 booting.rst, section 2).
const TREE_ALIGN: u64 = 2 << 20;
/// What U-Boot may add to the tree: memory, serial number, boot arguments.
const TREE_GROWTH: u64 = 64 << 10;

/// Where U-Boot puts what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// The EL2 image's first byte.
    pub(crate) image: u64,
    /// The device tree's first byte.
    pub(crate) tree: u64,
    /// The FIT image's first byte.
    pub(crate) fit: u64,
    /// First address that the FIT image must not reach.
    pub(crate) fit_limit: u64,
}

/// Lays out an image that is linked at `image` and takes `image_bytes`, and a tree, in a bank of RAM
/// from whose end on down to `modules_low` everything is taken.
pub(crate) fn plan(
    ram: PaRange,
    (image, image_bytes): (u64, u64),
    tree_bytes: u64,
    modules_low: u64,
) -> Result<Layout> {
    let image_end = image.saturating_add(image_bytes);
    if image < ram.base() || image_end > modules_low {
        bail!(
            "the EL2 image needs {image:#x}..{image_end:#x}, and free of the RAM is {:#x}..{modules_low:#x}: \
             is load_address in the board's board.toml right, and are the scenario's files not too large?",
            ram.base()
        );
    }
    let tree = image_end.next_multiple_of(TREE_ALIGN);
    if tree_bytes + TREE_GROWTH > TREE_ALIGN {
        bail!("the device tree has {tree_bytes} bytes: arm64 allows 2 MiB, and U-Boot adds to it");
    }
    let fit = tree + TREE_ALIGN;
    if fit >= modules_low {
        bail!(
            "the scenario's files leave no RAM for the FIT image: they begin at {modules_low:#x}, and it \
             would at {fit:#x}: use smaller files or a board with more RAM"
        );
    }
    Ok(Layout {
        image,
        tree,
        fit,
        fit_limit: modules_low,
    })
}

impl Layout {
    /// Refuses a FIT image that would lie over what it has in it.
    pub(crate) fn check_fit(&self, fit_bytes: u64) -> Result<()> {
        let window = self.fit_limit - self.fit;
        if fit_bytes > window {
            bail!(
                "the FIT image has {fit_bytes} bytes and its window {:#x}..{:#x} only {window}: use \
                 smaller files (--payload) or a board with more RAM",
                self.fit,
                self.fit_limit
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn ram() -> PaRange {
        PaRange::new(0x4000_0000, 1024 * MIB).unwrap()
    }

    #[test]
    fn parts_lie_one_after_the_other() {
        let layout = plan(ram(), (0x4020_0000, 3 * MIB), 9000, 0x7000_0000).unwrap();
        assert_eq!(
            layout,
            Layout {
                image: 0x4020_0000,
                tree: 0x4060_0000,
                fit: 0x4080_0000,
                fit_limit: 0x7000_0000
            }
        );
        layout.check_fit(0x7000_0000 - 0x4080_0000).unwrap();
    }

    #[test]
    fn what_does_not_fit_is_refused_with_what_to_do() {
        let image = (0x4020_0000, 3 * MIB);
        let cases = [
            (
                plan(ram(), (0x20_0000, MIB), 9, 0x7000_0000),
                "load_address",
            ),
            (plan(ram(), image, 9, 0x4030_0000), "too large"),
            (plan(ram(), image, 2 * MIB, 0x7000_0000), "2 MiB"),
            (plan(ram(), image, 9, 0x4070_0000), "smaller"),
        ];
        for (result, says) in cases {
            let message = result.unwrap_err().to_string();
            assert!(message.contains(says), "{message} does not say {says}");
        }
        let layout = plan(ram(), image, 9, 0x4090_0000).unwrap();
        let message = layout.check_fit(MIB + 1).unwrap_err().to_string();
        assert!(message.contains("1048577") && message.contains("--payload"));
    }
}
