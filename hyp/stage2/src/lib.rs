//! Stage-2 translation tables as data.
#![no_std]
#![forbid(unsafe_code)]
