//! Shared-memory rings against a peer that may lie.
#![no_std]
#![forbid(unsafe_code)]
