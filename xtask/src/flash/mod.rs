//! What a board boots from: made of a scenario, put on a card or sent by a cable.
//!
//! [`Package`] is the same whatever way it goes: a FIT image and the script that starts it. Formats are
//! libraries' work (mbrman, fatfs, dtoolkit) or Debian's tools' (mkimage, bootgen); what is here decides
//! what lies where, and what must not be overwritten.

pub(crate) mod boot_bin;
pub(crate) mod card;
pub(crate) mod disk;
pub(crate) mod fit;
pub(crate) mod follow;
pub(crate) mod job;
pub(crate) mod jtag;
pub(crate) mod layout;
pub(crate) mod options;
pub(crate) mod proof;
pub(crate) mod report;
pub(crate) mod script;
pub(crate) mod serial;
pub(crate) mod target;
pub(crate) mod write;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use unimux_scenario::arm64_image::{HEADER_LEN, ImageHeader};

use crate::launch::Order;
use crate::machine_tree;
use crate::start::U_BOOT_BYTES;
use crate::workspace;
use card::CardFile;
use fit::{Kind, Part};
use layout::Layout;

/// What U-Boot needs to start a scenario.
#[derive(Clone, Debug)]
pub(crate) struct Package {
    /// One line.
    pub(crate) description: String,
    /// Where everything lies.
    pub(crate) layout: Layout,
    /// What the FIT image is made of.
    pub(crate) parts: Vec<Part>,
    /// The FIT image.
    pub(crate) fit: Vec<u8>,
    /// The boot script, in U-Boot's format.
    pub(crate) script: Vec<u8>,
}

impl Package {
    /// The files for whoever finds the boot script by itself.
    pub(crate) fn files(&self) -> Vec<CardFile> {
        [(script::FILE, &self.script), (script::FIT_FILE, &self.fit)]
            .map(|(name, data)| CardFile {
                name: name.to_owned(),
                data: data.clone(),
            })
            .into()
    }

    /// Makes it of what is built, in `folder`.
    pub(crate) fn make(order: &Order<'_>, name: &str, folder: &Path) -> Result<Self> {
        let board = &order.kit.board;
        let description = format!(
            "Unimux {}: {name} on {}",
            env!("CARGO_PKG_VERSION"),
            board.name
        );
        let machine = match board.device_tree() {
            Some(source) => machine_tree::on_board(&machine_tree::compile(&source, folder)?)?,
            // Only a simulator describes itself; there U-Boot is its firmware.
            None => order.simulated_tree(true)?,
        };
        let ram = machine_tree::first_bank(&machine)?;
        let (tree, modules) = order.place(&machine, U_BOOT_BYTES).with_context(|| {
            let board = &board.name;
            format!("scenario {name} is not for board {board}: name another (--scenario, --board)")
        })?;
        let image = fs::read(&order.kit.unimux.raw)?;
        let header = ImageHeader::parse(&image[..image.len().min(HEADER_LEN)], image.len() as u64)?;
        let at = (board.load_address, header.memory_bytes);
        let layout = layout::plan(ram, at, tree.len() as u64, modules.low())?;

        let part = |name: &str, description: String, kind, load, data| Part {
            name: name.to_owned(),
            description,
            kind,
            load,
            data,
        };
        let mut parts = vec![
            part(
                "unimux",
                "EL2 image".into(),
                Kind::Kernel,
                layout.image,
                image,
            ),
            part(
                "tree",
                format!("device tree with scenario {name}"),
                Kind::Tree,
                layout.tree,
                tree,
            ),
        ];
        for (index, (path, module)) in modules.placed().iter().enumerate() {
            let data = fs::read(path).with_context(|| workspace::short(path))?;
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            parts.push(part(
                &format!("file-{}", index + 1),
                file.into_owned(),
                Kind::Loadable,
                module.pa,
                data,
            ));
        }
        let fit = fit::build(&description, &parts)?;
        layout.check_fit(fit.len() as u64)?;
        let script = script::image(&script::text(&description, layout.fit), folder)?;
        Ok(Self {
            description,
            layout,
            parts,
            fit,
            script,
        })
    }
}
