//! Guest addresses, and the proof that memory belongs to a guest.
#![no_std]
#![forbid(unsafe_code)]
