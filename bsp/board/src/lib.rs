//! What a board says about itself.
#![no_std]
#![forbid(unsafe_code)]
