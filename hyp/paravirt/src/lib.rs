//! What a partition guest sees of Unimux.
#![no_std]
#![forbid(unsafe_code)]
