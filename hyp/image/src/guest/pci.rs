//! A guest's RDMA function as a PCI device: its bus, and the page behind its doorbell.

use alloc::boxed::Box;

use unimux_el2::cache;
use unimux_memory::Pa;
use unimux_paravirt::{info, map};
use unimux_pci::{Bus, ECAM_BYTES, Identity};
use unimux_scenario::Scenario;

const _: () = assert!(ECAM_BYTES == map::ECAM_SIZE);

/// An info page, apart from all other memory.
#[repr(C, align(4096))]
struct Page([u64; info::WORDS]);

/// The bus of guest `index` as after reset.
pub(crate) fn bus(scenario: &Scenario, index: usize) -> Bus {
    Bus::new(Identity {
        abi: unimux_abi::VERSION,
        function: index as u32,
        partition: scenario.guests[index].function.partition.into(),
        bar_bytes: map::BAR_SIZE as u32,
    })
}

/// Makes the info page of guest `index`.
pub(crate) fn info_page(scenario: &Scenario, index: usize) -> Pa {
    let name = |index: u32| (index, scenario.guests[index as usize].name.as_str());
    let partition = scenario.guests[index].function.partition;
    let peers = scenario.peers_of(index).map(name);
    let page = Box::leak(Box::new(Page(info::page(
        name(index as u32),
        partition,
        peers,
    ))));
    let base = page.0.as_ptr().addr();
    // Linux maps BARs as device memory, which looks past the caches.
    cache::clean_and_invalidate(base..base + size_of::<Page>());
    Pa::new(base as u64)
}
