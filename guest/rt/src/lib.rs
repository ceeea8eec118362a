//! A small EL1 runtime for bare-metal guest programs.
#![no_std]
#![forbid(unsafe_code)]
