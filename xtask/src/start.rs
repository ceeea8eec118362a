//! What starts the image in QEMU: QEMU itself, or a U-Boot as on boards.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::board::Board;
use crate::debian::Debian;
use crate::qemu;

/// What a U-Boot takes of the end of RAM for itself, its stack and its heap: on Zynq UltraScale+ the
/// heap alone has 64 MiB and 256 KiB (its `CONFIG_SYS_MALLOC_LEN`).
pub(crate) const U_BOOT_BYTES: u64 = 128 << 20;

/// What starts the image.
#[derive(Clone, Debug)]
pub(crate) enum Start {
    /// QEMU puts everything in its place.
    Emulator,
    /// QEMU, which puts there what these arguments say.
    Loaded(Vec<String>),
    /// This U-Boot, with `booti`: QEMU offers the image to it, and it asks QEMU for one first of all.
    UBoot(PathBuf),
    /// This U-Boot, which waits for commands.
    Prompt(PathBuf),
    /// This U-Boot, which asks a server for everything.
    Network {
        /// The boot loader.
        u_boot: PathBuf,
        /// What the server has.
        folder: PathBuf,
        /// What it tells to ask for first.
        script: &'static str,
    },
    /// This U-Boot, from a card that it finds by itself.
    Card {
        /// The boot loader.
        u_boot: PathBuf,
        /// What `cargo xtask flash` made.
        card: PathBuf,
    },
}

impl Start {
    /// Whether image, device tree and modules are no more to be asked for.
    pub(crate) fn has_all(&self) -> bool {
        !matches!(self, Self::Emulator | Self::UBoot(_))
    }

    /// Whether it is a program of the machine's own.
    pub(crate) fn is_firmware(&self) -> bool {
        !matches!(self, Self::Emulator | Self::Loaded(_))
    }

    /// What it keeps of the end of RAM while it loads.
    pub(crate) fn kept_bytes(&self) -> u64 {
        if self.is_firmware() { U_BOOT_BYTES } else { 0 }
    }

    /// QEMU's arguments for it.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let bios = |u_boot: &PathBuf| vec!["-bios".to_owned(), u_boot.display().to_string()];
        match self {
            Self::Emulator => Vec::new(),
            Self::Loaded(arguments) => arguments.clone(),
            Self::UBoot(u_boot) | Self::Prompt(u_boot) => bios(u_boot),
            Self::Network {
                u_boot,
                folder,
                script,
            } => {
                let mut arguments = bios(u_boot);
                let folder = qemu::option_value(folder);
                arguments.extend([
                    "-netdev".to_owned(),
                    format!("user,id=net,restrict=on,tftp={folder},bootfile={script}"),
                ]);
                arguments.extend(["-device", "virtio-net-device,netdev=net"].map(str::to_owned));
                arguments
            }
            Self::Card { u_boot, card } => {
                let mut arguments = bios(u_boot);
                let file = qemu::option_value(card);
                // What U-Boot and guests might write is thrown away: the file stays what was made.
                arguments.extend([
                    "-drive".to_owned(),
                    format!("if=none,id=card,format=raw,snapshot=on,file={file}"),
                ]);
                arguments.extend(["-device", "virtio-blk-device,drive=card"].map(str::to_owned));
                arguments
            }
        }
    }
}

/// Debian's U-Boot for a board's machine.
pub(crate) fn u_boot(board: &Board) -> Result<PathBuf> {
    let machine = board.machine()?.u_boot.as_ref();
    let machine = machine.with_context(|| {
        format!(
            "Debian has no U-Boot for board {}: QEMU can start it without",
            board.name
        )
    })?;
    Ok(Debian::bring(false)?.u_boot(machine))
}
