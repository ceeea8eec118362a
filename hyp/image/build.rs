//! Tells the linker which board's script to use. It builds nothing.

use std::{env, path::Path};

/// Features that name a board, and the board's linker script.
const BOARDS: [(&str, &str); 3] = [
    ("CARGO_FEATURE_QEMU_VIRT", "qemu-virt.ld"),
    ("CARGO_FEATURE_QEMU_VIRT_GICV2", "qemu-virt.ld"),
    ("CARGO_FEATURE_ZCU102", "zcu102.ld"),
];

fn main() {
    let manifest = env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let linker = Path::new(&manifest).join("../../linker");
    println!("cargo::rerun-if-changed={}", linker.display());
    if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("none") {
        return;
    }
    let mut scripts = BOARDS
        .iter()
        .filter(|(feature, _)| env::var_os(feature).is_some())
        .map(|(_, script)| script);
    let (Some(script), None) = (scripts.next(), scripts.next()) else {
        panic!("choose one board by feature: --no-default-features --features BOARD");
    };
    // defmt's macros read their level while this package is compiled; alone they keep errors only.
    println!("cargo::rerun-if-env-changed=DEFMT_LOG");
    let level = env::var("DEFMT_LOG").unwrap_or_else(|_| "info".into());
    println!("cargo::rustc-env=DEFMT_LOG={level}");
    println!("cargo::rustc-link-search={}", linker.display());
    println!("cargo::rustc-link-arg-bins=-T{script}");
    println!("cargo::rustc-link-arg-bins=--no-eh-frame-hdr");
}
