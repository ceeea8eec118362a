//! Wire format between a guest and the Unimux firmware.
#![no_std]
#![forbid(unsafe_code)]
