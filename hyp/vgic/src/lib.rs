//! A virtual GICv3: registers, pending state, list registers.
#![no_std]
#![forbid(unsafe_code)]
