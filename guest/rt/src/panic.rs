//! A panic of the program: its message, then the end of the guest.

use core::panic::PanicInfo;

use crate::console::print_from_panic;
use crate::hypercall;

/// Code a guest exits with after a panic, as a Rust process does.
const PANICKED: i32 = 101;

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    print_from_panic(format_args!("guest: {info}\n"));
    hypercall::exit(PANICKED)
}
