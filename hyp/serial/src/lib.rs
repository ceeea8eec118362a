//! One UART for guest consoles, log frames and plain text.
#![no_std]
#![forbid(unsafe_code)]
