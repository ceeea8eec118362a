//! Claims about Unimux, each shown by a guest program.
#![no_std]
#![forbid(unsafe_code)]
