//! A guest starts at EL1, with its device tree in x0 and its RAM where the tree says.
//!
//! The runtime would not come this far without the tree; what is compared here is what it says.
#![no_std]
#![no_main]

use smccc::psci::PSCI_CPU_ON_64;
use unimux_guest_rt::paravirt::map::{IMAGE_OFFSET, RAM_BASE};
use unimux_guest_rt::{Guest, entry, exception, psci};
use unimux_guest_tests::Checks;

entry!(main);

fn main(mut guest: Guest) -> i32 {
    let mut checks = Checks::new();
    checks.equal("runs at EL1", exception::current_level(), 1);
    checks.equal(
        "RAM starts where the map says",
        guest.ram().start as u64,
        RAM_BASE,
    );
    let main_at = main as fn(Guest) -> i32 as usize as u64;
    checks.holds(
        "the image lies above the tree",
        main_at >= RAM_BASE + IMAGE_OFFSET,
    );
    let page = guest.memory.take(4096);
    checks.holds(
        "memory is handed out zeroed",
        page.iter().all(|&byte| byte == 0),
    );
    page.fill(0xa5);
    checks.holds(
        "memory keeps what is written",
        page.iter().all(|&byte| byte == 0xa5),
    );
    checks.holds("PSCI can start vCPUs", psci::features(PSCI_CPU_ON_64) >= 0);
    checks.code()
}
