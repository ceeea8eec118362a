//! A small EL1 runtime for bare-metal guest programs.
//!
//! It brings a program from the first instruction of its arm64 `Image` to `fn main(Guest) -> i32`
//! with MMU and caches on, and gives it a console, memory, the device tree, PSCI, interrupts, the
//! virtual timer and the exit counters. Of RDMA it knows how the driver asks for memory, it has no
//! heap, and uses no SIMD register, so that a program may fill them to see who changes them.
//!
//! The map is QEMU's `virt` ([`unimux_paravirt::map`]): a program runs there bare too, where only
//! the function, the counters and the vendor hypercalls are missing.
//!
//! ```ignore
//! #![no_std]
//! #![no_main]
//! use unimux_guest_rt::{Guest, entry, println};
//!
//! entry!(main);
//!
//! fn main(guest: Guest) -> i32 {
//!     println!("arguments: {}", guest.arguments());
//!     0
//! }
//! ```
//!
//! A program's build script passes the linker script: `cargo:rustc-link-arg-bins=-Tguest.ld`.
#![no_std]

pub mod barrier;
mod boot;
pub mod clock;
pub mod console;
pub mod device_tree;
pub mod doorbell;
pub mod exception;
pub mod exits;
pub mod gic;
mod guest;
pub mod hypercall;
pub mod memory;
pub mod mmio;
mod panic;
pub mod psci;
pub mod simd;
mod tables;
pub mod timer;
pub mod vcpu;
mod vectors;
pub mod words;

pub use device_tree::Function;
pub use doorbell::Doorbell;
pub use guest::Guest;
pub use hypercall::exit;
pub use unimux_paravirt as paravirt;

/// Makes `$main`, a `fn(Guest) -> i32`, the program. What it returns is the code it exits with;
/// zero says that all went well.
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        #[expect(unsafe_code, reason = "the runtime calls the program by this name")]
        // SAFETY: the runtime declares `guest_main` with this very signature, and a program that
        // used the macro twice would not link.
        #[unsafe(no_mangle)]
        fn guest_main(guest: $crate::Guest) -> i32 {
            let main: fn($crate::Guest) -> i32 = $main;
            main(guest)
        }
    };
}
