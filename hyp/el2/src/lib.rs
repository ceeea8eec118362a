//! The machine at EL2: entry, vectors, vCPUs, translation, interrupts, power.
//!
//! Mechanism only, in small modules that each own one architectural thing. Who may do what is
//! decided in the image and in the pure crates; nothing here knows of functions or scenarios.
//!
//! This crate exists for bare metal only; on a host it is empty.
#![cfg(target_os = "none")]
#![no_std]

extern crate alloc;

pub mod backtrace;
pub mod boot;
pub mod cache;
pub mod context;
pub mod core_id;
mod debug;
pub mod fault;
pub mod gic;
pub mod hand_over;
pub mod id_registers;
pub mod interrupts;
pub mod layout;
pub mod lists;
pub mod lock;
mod moves;
pub mod power;
pub mod registers;
pub mod slots;
pub mod stage1;
pub mod stage2;
pub mod time;
pub mod vcpu;
mod vectors;
pub mod zero;
