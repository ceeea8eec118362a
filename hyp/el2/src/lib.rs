//! The machine at EL2: vectors, vCPUs, TLB, timer, interrupts.
#![no_std]
#![forbid(unsafe_code)]
