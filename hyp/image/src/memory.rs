//! EL2's own map of the machine, and the memory that it names.
#![expect(unsafe_code, reason = "memory is named by physical address")]
// UNSAFETY: the switch to our own map, and slices over what the boot loader left.

use unimux_board::Board;
use unimux_el2::{
    cache, layout,
    slots::Slots,
    stage1::{Stage1, Use},
};
use unimux_memory::{Ipa, Pa, Span, Windows};
use unimux_paravirt::map;
use unimux_scenario::{Layout, Module, PaRange, Scenario};
use unimux_tree::Tree;

use crate::{board::ThisBoard, invariant::holds};

fn addresses(range: PaRange) -> core::ops::Range<usize> {
    range.base() as usize..range.end() as usize
}

/// Makes the map of everything Unimux needs, and runs on it from here on. With a host, gives the
/// slots for its pages. `registers` are those of the engine, first byte and bytes of each block.
pub(crate) fn map(
    tree: &Tree<'_>,
    scenario: &Scenario,
    places: &Layout,
    registers: impl Iterator<Item = (u64, u64)>,
) -> Option<Slots> {
    let mut stage1 = Stage1::of_image();
    let mut add = |range, purpose| stage1.map(range, purpose);
    for device in ThisBoard::DEVICES {
        add(device.base as usize..device.end() as usize, Use::Device);
    }
    for (base, len_bytes) in registers {
        add(base as usize..(base + len_bytes) as usize, Use::Device);
    }
    let tree = tree.data().as_ptr_range();
    add(tree.start.addr()..tree.end.addr(), Use::ReadOnly);
    for guest in &scenario.guests {
        for module in core::iter::once(&guest.image).chain(&guest.payload) {
            add(
                addresses(module.range().expect("it was checked")),
                Use::ReadOnly,
            );
        }
    }
    for place in &places.guests {
        add(addresses(place.ram), Use::Data);
    }
    if let Some(place) = &places.host {
        for range in &place.ram {
            add(addresses(*range), Use::Data);
        }
        add(addresses(place.physical), Use::Device);
    }
    let has_host = places.host.is_some();
    let slots = has_host.then(|| stage1.slots());
    // A line of a doorbell page that is in a cache now must not come back later.
    cache::clean_and_invalidate(layout::doorbells());
    // SAFETY: it has the image, its stacks, the devices, the tree and the modules.
    unsafe { stage1.take_over() };
    let doorbells = layout::doorbells();
    let memory = core::ptr::with_exposed_provenance_mut::<u8>(doorbells.start);
    // SAFETY: the linker keeps these pages for doorbells, and no guest is there yet.
    unsafe { memory.write_bytes(0, doorbells.len()) };
    slots
}

/// The bytes of a module.
pub(crate) fn module(module: &Module) -> &'static [u8] {
    let start = core::ptr::with_exposed_provenance(module.pa as usize);
    // SAFETY: the scenario was checked: the module lies in RAM that nothing else is put on; `map`
    // has mapped it read-only for good.
    unsafe { core::slice::from_raw_parts(start, module.len_bytes as usize) }
}

/// The RAM of a guest, by the addresses it has in the guest.
pub(crate) fn ram_windows(ram: PaRange) -> Windows {
    let mut windows = Windows::new();
    // SAFETY: 1. `map` has mapped it, for good. 2. It was free memory, and nothing of Unimux is
    // ever put there. 3. It is this guest's, whose stage 2 maps it.
    let granted = unsafe {
        windows.grant(
            Ipa::new(map::RAM_BASE),
            Pa::new(ram.base()),
            ram.len_bytes(),
        )
    };
    holds(granted, "one range that was checked");
    windows
}

/// A range of what the host has been given: its RAM or the region of the physical function.
pub(crate) fn of_host(range: PaRange) -> Span {
    let mut windows = Windows::with_capacity(1);
    let (ipa, pa) = (Ipa::new(range.base()), Pa::new(range.base()));
    // SAFETY: 1. `map` has mapped it, for good. 2. It was free memory, and nothing of Unimux is
    // ever put there. 3. It is the host's.
    let granted = unsafe { windows.grant(ipa, pa, range.len_bytes()) };
    holds(granted, "one range that was checked");
    holds(
        windows.translate(ipa, range.len_bytes()),
        "it was granted just now",
    )
}

/// All slots. A part of it is memory only while its slot is mapped.
pub(crate) fn of_slots(slots: &Slots) -> Span {
    let addresses = slots.addresses();
    let base = addresses.start as u64;
    let mut windows = Windows::with_capacity(1);
    // SAFETY: 1. The firmware is given a slot's span when it is mapped, and lets go of it before it
    // says so. 2. and 3. What is mapped there is the host's.
    let granted = unsafe { windows.grant(Ipa::new(base), Pa::new(base), addresses.len() as u64) };
    holds(granted, "one range");
    let all = windows.translate(Ipa::new(base), addresses.len() as u64);
    holds(all, "it was granted just now")
}

/// The doorbell page of function `index`, as a window at the address that guests see it at.
///
/// # Panics
/// If there are not so many functions.
pub(crate) fn doorbell_window(index: usize) -> (Pa, Windows) {
    let page = map::DOORBELL_SIZE;
    let doorbells = layout::doorbells();
    let pa = doorbells.start as u64 + index as u64 * page;
    assert!(
        pa + page <= doorbells.end as u64,
        "the linker keeps a page for each function"
    );
    let mut windows = Windows::new();
    // SAFETY: as above; the page is mapped non-cacheable here and as device memory in the guest.
    let granted = unsafe { windows.grant(Ipa::new(map::DOORBELL_BASE), Pa::new(pa), page) };
    holds(granted, "one aligned page");
    (Pa::new(pa), windows)
}
