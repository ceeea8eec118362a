//! Bare-metal guest programs: the main job and the bench.
#![no_std]
#![forbid(unsafe_code)]
