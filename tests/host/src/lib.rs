//! Firmware and driver together on the host, with hostile guests.
#![no_std]
#![forbid(unsafe_code)]
