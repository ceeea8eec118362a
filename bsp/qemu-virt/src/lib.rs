//! The board qemu-virt.
#![no_std]
#![forbid(unsafe_code)]
