//! What a guest exit means, decoded from its syndrome.
#![no_std]
#![forbid(unsafe_code)]
