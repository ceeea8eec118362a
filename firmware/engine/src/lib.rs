//! Engines that move bytes for the firmware.
#![no_std]
#![forbid(unsafe_code)]
