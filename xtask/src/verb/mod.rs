//! The verbs of `cargo xtask`, one file each.

pub(crate) mod bench;
pub(crate) mod build;
pub(crate) mod doctor;
pub(crate) mod flash;
pub(crate) mod gdb;
pub(crate) mod linux;
pub(crate) mod run;
pub(crate) mod setup;
pub(crate) mod size;
pub(crate) mod test;
