//! A hostile host, driven by bytes: it writes what it likes to the physical function's region.
//!
//! It may hurt its own tenants: their memory is its own. Partition guests beside it are well, and
//! memory of the host that no tenant was granted is never touched.

use std::sync::atomic::Ordering;

use unimux_abi::physical::{CONTROL_PAGES, LISTS, REGION_BYTES, TABLES};
use unimux_abi::{command, control, doorbell};
use unimux_driver::{Device, DmaBlock, Error};

use crate::host::{FRAME, HostWorld};
use crate::hostile::{Input, Victims};
use crate::{RAM_IPA, Stepped, World};

/// Frames of the host's RAM; an agent names those below [`SAFE`], and nobody ever the others.
const RAM: u64 = 96;
const SAFE: u64 = 64;
/// Functions for tenants.
const TENANTS: u16 = 3;

/// A word for the region, from sensible to wild.
fn word(input: &mut Input<'_>, host: &HostWorld) -> u64 {
    let frame = host.frame(u64::from(input.byte()) % SAFE);
    let region = host.region().ipa();
    let first = u64::from(host.id.get());
    let function = first + u64::from(input.byte()) % (u64::from(TENANTS) + 2);
    input.like([
        frame,
        function,
        FRAME,
        RAM_IPA,
        region + LISTS,
        region + TABLES,
        1 << 16,
        3 | 12 << 32,
        0,
        1,
        u64::MAX,
    ])
}

/// Where something is in the region, from sensible to wild.
fn place(input: &mut Input<'_>) -> u64 {
    let entry = u64::from(input.byte());
    let page = CONTROL_PAGES[usize::from(input.byte()) % 2];
    let at = input.like([
        doorbell::RING,
        doorbell::CONTROL,
        page + control::OFFER,
        page + control::ANSWER,
        page + control::RESPONSE_CONSUMER,
        page + control::COMMANDS + entry % 256 * 8,
        page + control::RESPONSES + entry % 128 * 8,
        LISTS + entry % 16 * 8,
    ]);
    at % REGION_BYTES / 8 * 8
}

fn store(region: DmaBlock, at: u64, value: u64) {
    region.words()[(at / 8) as usize].store(value, Ordering::Release);
}

/// Attaches something at one of the control pages that will take commands.
fn attach(host: &HostWorld, page: u64) -> Result<Device<Stepped>, Error> {
    let page = host.region().part(page, control::PAGE_BYTES)?;
    Device::attach_within(host.platform(), page, 200_000)
}

/// Everything that a host can write, at any time, beside a pair of good partition guests.
///
/// # Panics
///
/// If anybody gets hurt who should not be.
pub fn physical_function(input: &[u8]) {
    let mut input = Input(input);
    let world = World::default();
    let mut victims = Victims::new(&world);
    let host = HostWorld::in_world(world, TENANTS, RAM);
    let region = host.region();
    host.mark(SAFE, RAM - SAFE);
    let mut device = attach(&host, CONTROL_PAGES[0]).ok();
    while !input.is_empty() {
        match input.byte() % 8 {
            0 | 1 => store(region, place(&mut input), word(&mut input, &host)),
            2 => {
                let page = CONTROL_PAGES[usize::from(input.byte()) % 2];
                device = attach(&host, page).ok();
            }
            3 => host.world.rounds(u64::from(input.byte())),
            4 => victims.work(),
            _ => {
                let opcode = command::Opcode::from_bits(64 + input.byte() % 9);
                let words: [u64; 7] = std::array::from_fn(|i| {
                    // Most verbs have few arguments, and words that are none must be zero.
                    if i < 5 { word(&mut input, &host) } else { 0 }
                });
                let used = usize::from(input.byte()) % 6;
                let arguments = std::array::from_fn(|i| if i < used { words[i] } else { 0 });
                if let Some((device, opcode)) = device.as_mut().zip(opcode) {
                    device.set_timeout_ns(50_000);
                    let _: Result<u64, Error> = device.command(opcode, arguments);
                }
            }
        }
    }
    victims.work();
    victims.check();
    assert!(
        host.is_marked(SAFE, RAM - SAFE),
        "memory that nobody was granted"
    );

    // The next agent finds what there is, ends it, and begins anew.
    let mut agent = host.agent();
    let mut left = Vec::new();
    agent
        .list(|record| left.push(record.function))
        .expect("a list");
    for function in left {
        agent.destroy(function).expect("it was listed");
    }
    host.mark(0, SAFE);
    let (tenant, _) = host
        .tenant(&mut agent, SAFE, 16)
        .expect("the pool is whole");
    host.attach(&tenant).nop().expect("an attached function");
    victims.work();
    host.world.settle();
    assert!(host.is_marked(0, SAFE), "memory that was given back");
}
