//! Claims about Unimux, each shown by a guest program.
//!
//! A claim is `src/bin/<claim>.rs`; what its run prints is `<claim>.stdout` beside it, exactly. The
//! line after the claim's sentence may name what it runs in (`scenario:`) and how the run ends
//! (`ends:`); see `xtask test`. A program that runs in two guests at once asks for its `role`.
//!
//! Here is only what the claims share: checked comparisons, and registers to compare.
#![no_std]

pub mod checks;
pub mod lives;
pub mod registers;
pub mod share;
pub mod sleeper;
pub mod system;
pub mod wait;

pub use checks::Checks;
