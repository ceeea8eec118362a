//! BOOT.BIN: the firmware below U-Boot as the boot ROM of a Zynq UltraScale+ wants it.
//!
//! Debian's bootgen makes it of four programs that no package of Debian's has, so the user gives them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::tools::{self, BOOTGEN};

/// The name that the boot ROM looks for.
pub(crate) const FILE: &str = "BOOT.BIN";

/// Said when a board wants a BOOT.BIN and has none: nobody can guess it.
pub(crate) const ABSENT: &str = "No BOOT.BIN is made: the board has to have its boot firmware already, in QSPI or from \
    another card (copy its BOOT.BIN, or --boot-bin FILE). No Debian package has it. For one of your own give \
    --fsbl --pmufw --tfa --u-boot: they are in AMD's prebuilt images of the board (PetaLinux BSP, pre-built/linux/images), \
    or are built of AMD's embeddedsw (zynqmp_fsbl, zynqmp_pmufw), Trusted Firmware-A (PLAT=zynqmp bl31) and \
    U-Boot (xilinx_zynqmp_virt_defconfig).";

/// The firmware that the user has.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Firmware {
    /// First stage boot loader, an ELF file; with the next three a BOOT.BIN is made.
    #[arg(long, value_name = "FILE", requires_all = ["pmufw", "tfa", "u_boot"])]
    fsbl: Option<PathBuf>,
    /// Firmware of the platform management unit, an ELF file.
    #[arg(long, value_name = "FILE", requires_all = ["fsbl", "tfa", "u_boot"])]
    pmufw: Option<PathBuf>,
    /// Trusted Firmware-A (bl31), an ELF file.
    #[arg(long, value_name = "FILE", requires_all = ["fsbl", "pmufw", "u_boot"])]
    tfa: Option<PathBuf>,
    /// U-Boot, an ELF file.
    #[arg(long, value_name = "FILE", requires_all = ["fsbl", "pmufw", "tfa"])]
    u_boot: Option<PathBuf>,
    /// A BOOT.BIN that there is already.
    #[arg(long, value_name = "FILE", conflicts_with = "fsbl")]
    boot_bin: Option<PathBuf>,
}

/// How bootgen is told of them: name of a copy, and its attributes (UG1283, Zynq UltraScale+).
///
/// The boot ROM starts the PMU's firmware and the FSBL; the FSBL starts TF-A at EL3, which starts
/// U-Boot at EL2: that it is EL2 is why Unimux can be started by U-Boot.
const PARTITIONS: [(&str, &str); 4] = [
    ("fsbl.elf", "bootloader, destination_cpu = a53-0"),
    ("pmufw.elf", "pmufw_image"),
    (
        "bl31.elf",
        "destination_cpu = a53-0, exception_level = el-3, trustzone",
    ),
    (
        "u-boot.elf",
        "destination_cpu = a53-0, exception_level = el-2",
    ),
];

impl Firmware {
    /// With these four programs.
    #[cfg(test)]
    fn of([fsbl, pmufw, tfa, u_boot]: [PathBuf; 4]) -> Self {
        let [fsbl, pmufw, tfa, u_boot] = [fsbl, pmufw, tfa, u_boot].map(Some);
        Self {
            fsbl,
            pmufw,
            tfa,
            u_boot,
            boot_bin: None,
        }
    }

    /// Whether bootgen has to make something.
    pub(crate) fn wants_bootgen(&self) -> bool {
        self.fsbl.is_some()
    }

    /// The bytes of BOOT.BIN, made in `folder` for bootgen's chip, if the user gave anything.
    pub(crate) fn bring(&self, chip: Option<&str>, folder: &Path) -> Result<Option<Vec<u8>>> {
        if let Some(path) = &self.boot_bin {
            let bytes = fs::read(path).with_context(|| path.display().to_string())?;
            return Ok(Some(bytes));
        }
        let (Some(fsbl), Some(pmufw), Some(tfa), Some(u_boot)) =
            (&self.fsbl, &self.pmufw, &self.tfa, &self.u_boot)
        else {
            return Ok(None);
        };
        let chip =
            chip.context("this board starts from no BOOT.BIN: leave --fsbl and the rest out")?;
        for ((name, _), path) in PARTITIONS.iter().zip([fsbl, pmufw, tfa, u_boot]) {
            // Copies, as a description has no way to quote a path.
            fs::copy(path, folder.join(name)).with_context(|| path.display().to_string())?;
        }
        fs::write(folder.join("boot.bif"), description())?;
        let image = folder.join(FILE);
        let _ = fs::remove_file(&image);
        let mut make = BOOTGEN.command();
        make.args(["-arch", chip, "-image", "boot.bif", "-w", "on", "-o", FILE]);
        tools::quietly(make.current_dir(folder))
            .context("no BOOT.BIN: are the four files the ELF files of their programs?")?;
        check(chip, &image)?;
        Ok(Some(fs::read(&image)?))
    }
}

/// Has bootgen read what it made. It exits with 0 whatever it finds.
fn check(chip: &str, image: &Path) -> Result<()> {
    let output = BOOTGEN
        .command()
        .args(["-arch", chip, "-read"])
        .arg(image)
        .output()?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    let has_all = PARTITIONS
        .iter()
        .filter(|(name, _)| *name != "pmufw.elf")
        .all(|(name, _)| said.contains(&format!("IMAGE HEADER ({name})")));
    if !has_all || said.contains("[ERROR]") {
        bail!(
            "bootgen cannot read the BOOT.BIN that it made: {}",
            said.trim()
        );
    }
    Ok(())
}

/// bootgen's boot image format.
fn description() -> String {
    let partitions = PARTITIONS.map(|(name, attributes)| format!("\t[{attributes}] {name}\n"));
    format!("unimux:\n{{\n{}}}\n", partitions.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program of 256 bytes for an address, as an ELF file of 64 or 32 bits (System V ABI, 4).
    fn program(address: u32, machine: u16, is_64: bool) -> Vec<u8> {
        let word = |value: u32| {
            let mut bytes = value.to_le_bytes().to_vec();
            bytes.resize(if is_64 { 8 } else { 4 }, 0);
            bytes
        };
        let [header, segment] = if is_64 { [64u16, 56] } else { [52, 32] };
        let at = u32::from(header + segment);
        let mut elf = vec![0x7f, b'E', b'L', b'F', if is_64 { 2 } else { 1 }, 1, 1];
        elf.resize(16, 0);
        for half in [2, machine] {
            elf.extend(half.to_le_bytes());
        }
        elf.extend(1u32.to_le_bytes());
        elf.extend([word(address), word(u32::from(header)), word(0)].concat());
        elf.extend(0u32.to_le_bytes());
        for half in [header, segment, 1, if is_64 { 64 } else { 40 }, 0, 0] {
            elf.extend(half.to_le_bytes());
        }
        let [kind, flags] = [1u32, 7].map(|it| it.to_le_bytes().to_vec());
        let place = [word(at), word(address), word(address), word(256), word(256)].concat();
        elf.extend(if is_64 {
            [kind, flags, place, word(1)].concat()
        } else {
            [kind, place, flags, word(1)].concat()
        });
        elf.extend((0..=255u8).collect::<Vec<_>>());
        elf
    }

    #[test]
    fn the_firmware_is_described_in_the_order_of_its_start() {
        let text = description();
        let place = |name: &str| text.find(name).unwrap();
        assert!(place("fsbl.elf") < place("bl31.elf") && place("bl31.elf") < place("u-boot.elf"));
        assert!(
            text.contains("[pmufw_image] pmufw.elf") && text.contains("exception_level = el-2")
        );
    }

    #[test]
    fn bootgen_takes_what_it_is_given_and_reads_what_it_made() {
        if BOOTGEN.find().is_none() {
            eprintln!(
                "SKIPPED: no bootgen here: apt-get install {}",
                BOOTGEN.package
            );
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let programs = [
            ("f", program(0xfffc_0000, 183, true)),
            ("p", program(0xffdc_0000, 189, false)),
            ("t", program(0xfffe_a000, 183, true)),
            ("u", program(0x0800_0000, 183, true)),
        ];
        let firmware = Firmware::of(programs.map(|(name, bytes)| {
            let path = folder.path().join(name);
            fs::write(&path, bytes).unwrap();
            path
        }));
        let made = firmware
            .bring(Some("zynqmp"), folder.path())
            .unwrap()
            .unwrap();
        // UG1085, boot header: the word that tells the width of the flash, and the name.
        assert_eq!(
            made[0x20..0x28],
            [0x66, 0x55, 0x99, 0xaa, b'X', b'N', b'L', b'X']
        );
        assert!(firmware.bring(None, folder.path()).is_err(), "no such chip");
        fs::write(folder.path().join("f"), "no program").unwrap();
        assert!(firmware.bring(Some("zynqmp"), folder.path()).is_err());
    }
}
