//! Unimux, the EL2 image: wires the parts, decides nothing.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
extern crate alloc;

#[cfg(target_os = "none")]
mod baseline;
#[cfg(target_os = "none")]
mod board;
#[cfg(target_os = "none")]
mod boot;
#[cfg(target_os = "none")]
mod console;
#[cfg(target_os = "none")]
#[cfg_attr(not(feature = "dma"), path = "no_dma.rs")]
mod dma;
#[cfg(target_os = "none")]
mod end;
#[cfg(target_os = "none")]
mod entropy;
#[cfg(target_os = "none")]
mod exit;
#[cfg(target_os = "none")]
mod flat_tree;
#[cfg(target_os = "none")]
mod gic;
#[cfg(target_os = "none")]
mod guest;
#[cfg(target_os = "none")]
mod heap;
#[cfg(target_os = "none")]
mod host;
#[cfg(target_os = "none")]
mod input;
#[cfg(target_os = "none")]
mod interrupts;
#[cfg(target_os = "none")]
mod invariant;
#[cfg(target_os = "none")]
mod last_words;
#[cfg(target_os = "none")]
mod log;
#[cfg(target_os = "none")]
mod machine;
#[cfg(target_os = "none")]
mod memory;
#[cfg(target_os = "none")]
mod role;
#[cfg(target_os = "none")]
#[cfg_attr(not(feature = "virtio"), path = "no_virtio.rs")]
mod virtio;

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("Unimux runs at EL2 of an ARMv8-A machine; build it with `cargo xtask build`.");
}
