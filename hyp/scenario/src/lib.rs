//! The scenario: which core does what, and who owns which memory.
#![no_std]
#![forbid(unsafe_code)]
