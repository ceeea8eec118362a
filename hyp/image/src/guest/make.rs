//! Makes the guests of a scenario, at boot.

use alloc::{boxed::Box, vec::Vec};
use core::sync::atomic::{AtomicBool, AtomicUsize};

use unimux_board::Board;
use unimux_el2::{lock::Lock, stage2::Stage2};
use unimux_memory::{Ipa, Pa};
use unimux_paravirt::{ExitCounters, map};
use unimux_scenario::{GuestLayout, Layout, Scenario};
use unimux_stage2::{Attributes, Frame, FrameArray, Policy, PolicyError, Tables, Vmid};

use super::{
    Guest, console::GuestConsole, lifecycle::Lifecycle, load::Program, pci, power::VcpuPower, tree,
};
use crate::{
    board::ThisBoard,
    entropy::Generator,
    gic::{GuestGic, Model},
    invariant::holds,
    memory,
};

/// All guests of the scenario, none of them running yet.
///
/// # Panics
/// If a part does not fit: the scenario was checked.
pub(crate) fn all(
    scenario: &Scenario,
    layout: &Layout,
    affinities: &[u64],
    mut random: Generator,
) -> Box<[Guest]> {
    (0..scenario.guests.len())
        .map(|index| {
            let place = &layout.guests[index];
            one(scenario, index, place, affinities, random.split())
        })
        .collect()
}

// Not in line: steps of the boot, all in one function, are larger than apart.
#[inline(never)]
fn one(
    scenario: &Scenario,
    index: usize,
    place: &GuestLayout,
    affinities: &[u64],
    random: Generator,
) -> Guest {
    let guest = &scenario.guests[index];
    let peers: Vec<u32> = scenario.peers_of(index).collect();
    let tree = tree::make(guest, place, index as u32, &peers);
    assert!(
        tree.len() as u64 <= map::DTB_SIZE_MAX,
        "the tree is a page or two"
    );

    let counters: &'static ExitCounters = Box::leak(Box::new(ExitCounters::new()));
    let (doorbell_pa, doorbell) = memory::doorbell_window(index);
    let policy = holds(
        policy(
            place,
            [doorbell_pa, pci::info_page(scenario, index)],
            counters,
            guest.cores.len(),
        ),
        "the map is valid",
    );
    let frames: Box<[Frame]> = (0..policy.frames_needed()).map(|_| Frame::new()).collect();
    let frames: &'static [Frame] = Box::leak(frames);
    let base = Pa::new(frames.as_ptr().addr() as u64);
    let frames = FrameArray::new(base, frames).expect("a frame is aligned");
    let tables = holds(
        Tables::build(&policy, frames),
        "as many frames as the policy needs",
    );
    let vmid = u8::try_from(index + 1)
        .ok()
        .and_then(Vmid::new)
        .expect("at most 64 guests");

    let windows = memory::ram_windows(place.ram);
    let all_ram = windows.translate(Ipa::new(map::RAM_BASE), place.ram.len_bytes());
    Guest {
        name: guest.name.clone().leak(),
        program: Program {
            ram: holds(all_ram, "it was granted just now"),
            image: memory::module(&guest.image),
            payload: place
                .payload_offset
                .zip(guest.payload)
                .map(|(offset, payload)| (offset, memory::module(&payload))),
            tree: tree.leak(),
        },
        windows,
        doorbell: holds(
            doorbell.translate(Ipa::new(map::DOORBELL_BASE), map::DOORBELL_SIZE),
            "it was granted just now",
        ),
        stage2: Stage2 {
            root: tables.root(),
            vmid,
        },
        tables: Lock::new(tables),
        gic: Lock::new(Model::new(guest.cores.len())),
        pci: Lock::new(pci::bus(scenario, index)),
        console: Lock::new(GuestConsole::new(index)),
        counters,
        vcpus: guest
            .cores
            .iter()
            .map(|core| VcpuPower::new(affinities[*core as usize]))
            .collect(),
        lifecycle: Lifecycle::new(),
        on_fault: guest.on_fault,
        random: Lock::new(random),
        baseline: scenario.baseline,
        // Who shares a core says so: the scenario was checked.
        measures: scenario.baseline && guest.share.is_none(),
        completion: AtomicBool::new(false),
        listener: AtomicUsize::new(0),
    }
}

/// What a guest can reach.
fn policy(
    place: &GuestLayout,
    [doorbell, info]: [Pa; 2],
    counters: &'static ExitCounters,
    vcpus: usize,
) -> Result<Policy, PolicyError> {
    let counters = Pa::new(core::ptr::from_ref(counters).addr() as u64);
    let policy = Policy::new()
        .map(
            Ipa::new(map::RAM_BASE),
            Pa::new(place.ram.base()),
            place.ram.len_bytes(),
            Attributes::RAM,
        )?
        .map(
            Ipa::new(map::DOORBELL_BASE),
            doorbell,
            map::DOORBELL_SIZE,
            Attributes::DOORBELL,
        )?
        .map(
            Ipa::new(map::INFO_BASE),
            info,
            map::INFO_SIZE,
            Attributes::READ_ONLY_PAGE,
        )?
        .map(
            Ipa::new(map::COUNTERS_BASE),
            counters,
            map::COUNTERS_SIZE,
            Attributes::READ_ONLY_PAGE,
        )?
        .emulate(Ipa::new(map::UART_BASE), map::UART_SIZE)?
        .emulate(Ipa::new(map::ECAM_BASE), map::ECAM_SIZE)?;
    ThisBoard::GIC.add_to(policy, vcpus)
}
