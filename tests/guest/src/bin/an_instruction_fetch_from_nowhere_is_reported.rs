//! A guest that jumps outside its map is stopped, and the report says that it was a fetch.
//! exit: 1
//! log: alice: stopped: instruction abort
#![no_std]
#![no_main]

use unimux_guest_rt::{Guest, entry, println, words};

entry!(main);

#[expect(unsafe_code, reason = "jumps where it must not")]
fn main(guest: Guest) -> i32 {
    println!("about to jump outside");
    // SAFETY: past the end of RAM there is no code to do anything.
    unsafe { words::jump(guest.ram().end + 0x20_0000) };
    println!("FAILED: the jump came back");
    0
}
