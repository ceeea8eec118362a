//! From the entry code to the roles: what the boot core does once.
#![expect(unsafe_code, reason = "takes the machine over from whoever ran before")]
// UNSAFETY: symbols for the entry code, the boot loader's memory, the switch to our own map.

use alloc::boxed::Box;

use unimux_board::Board;
use unimux_el2::{
    boot::EntryTable,
    core_id, fault,
    gic::Gic,
    interrupts::Controller,
    layout,
    lock::Lock,
    power::{self, PowerError},
    stage1, time,
};
use unimux_scenario::{
    Machine, MachineError,
    host::{DEVICE_TREE, UNIMUX},
};
use unimux_tree::Tree;

use crate::{
    board::{GIC, ThisBoard},
    console, dma, end, entropy, guest, heap, host, input, last_words, machine, memory,
    role::{self, engine},
    virtio,
};

#[unsafe(export_name = "entry_table")]
static ENTRY_TABLE: EntryTable = EntryTable(ThisBoard::ENTRY_TABLE);

/// What the interrupt controller brings cores up with.
static INTERRUPTS: Lock<Option<Cores>> = Lock::new(None);
type Cores = <Gic<<ThisBoard as Board>::Gic> as Controller>::Cores;

/// Exit code of a run that could not begin.
const REFUSED: u8 = 2;

/// Called by the entry code on the boot core, with MMU and caches on.
#[unsafe(export_name = "image_main")]
extern "C" fn image_main(tree: u64) -> ! {
    fault::set_handler(last_words::own_fault);
    // SAFETY: first thing on the only core.
    unsafe { heap::init() };
    let parts = ThisBoard::take().expect("nobody took it before");
    console::init(parts.console);
    defmt::info!(
        "Unimux {=str} on {=str}",
        env!("CARGO_PKG_VERSION"),
        ThisBoard::NAME
    );

    let tree = device_tree(tree).unwrap_or_else(|| refuse("no device tree"));
    end::learn(&tree);
    let affinities = machine::affinities(&tree);
    let own = affinities
        .iter()
        .position(|affinity| *affinity == core_id::affinity());
    let own = own.unwrap_or_else(|| refuse("the device tree does not name the boot core"));
    core_id::set(own);

    let scenario = unimux_scenario::read(&tree).unwrap_or_else(|error| refuse(error));
    let machine = with_what_is_taken(&tree).unwrap_or_else(|error| refuse(error));
    let layout = unimux_scenario::check(&scenario, &machine).unwrap_or_else(|error| refuse(error));
    let choice = dma::choose(&tree, &scenario).unwrap_or_else(|reason| refuse(reason));
    let slots = memory::map(&tree, &scenario, &layout, choice.registers());
    if scenario.host.is_some() {
        console::leave_uart(&tree);
    } else {
        input::init(parts.input);
    }
    for guest in &scenario.guests {
        if let Err(reason) = unimux_scenario::check_image(guest, memory::module(&guest.image)) {
            refuse(reason);
        }
    }
    let seeds = entropy::gather(&tree).unwrap_or_else(|| refuse("no entropy for keys"));

    let cores = GIC.take_over(affinities.len());
    let cores = cores.unwrap_or_else(|_| refuse("no GIC where the board has one"));
    *INTERRUPTS.lock() = Some(cores);

    let made = guest::make::all(&scenario, &layout, &affinities, seeds.guests);
    let mut engine = engine::make(&scenario, &made, choice.make(), seeds.keys);
    if let (Some(its), Some(place), Some(slots)) = (&scenario.host, &layout.host, slots) {
        engine.add_host(its, place, slots);
    }
    defmt::info!(
        "{=usize} guests, {=usize} functions of up to {=usize} bytes, {=usize} KiB of heap in use",
        made.len(),
        engine.function_count,
        engine.function_bytes,
        heap::used_bytes() >> 10
    );
    *engine::HANDED_OVER.lock() = Some(Box::leak(Box::new(engine)));
    if let (Some(its), Some(place)) = (&scenario.host, &layout.host) {
        let kernel = unimux_scenario::check_kernel(its, place, memory::module(&its.kernel));
        let kernel = kernel.unwrap_or_else(|reason| refuse(reason));
        let edits = host::tree::Edits {
            host: its,
            place,
            transports: &virtio::claimed(),
            seed: seeds.host,
        };
        host::ready(
            its,
            place,
            kernel.memory_bytes,
            &host::tree::make(&tree, &edits),
        );
    }
    guest::publish(made);
    role::assign(&scenario, affinities.len(), own);
    start_others(own, &affinities);
    heap::seal();
    begin(own)
}

/// The device tree, at `address` or where the board's loader leaves it.
fn device_tree(address: u64) -> Option<Tree<'static>> {
    let address = if address == 0 {
        ThisBoard::FALLBACK_DEVICE_TREE?
    } else {
        address
    };
    let tree = core::ptr::with_exposed_provenance::<u8>(address as usize);
    // SAFETY: the loader's word that a tree is there, which begins with its length.
    let first_bytes = unsafe { &*tree.cast::<[u8; 8]>() };
    let len_bytes = Tree::len_bytes(first_bytes)?;
    // SAFETY: as above; nobody writes it, and its memory is kept for it.
    Tree::new(unsafe { core::slice::from_raw_parts(tree, len_bytes) }).ok()
}

/// The machine, with what is taken of its memory already.
fn with_what_is_taken(tree: &Tree<'_>) -> Result<Machine, MachineError> {
    let image = layout::image();
    let tree_bytes = tree.data();
    Ok(Machine::read(tree)?
        .with_reserved(UNIMUX, image.start as u64, image.len() as u64)
        .with_reserved(
            DEVICE_TREE,
            tree_bytes.as_ptr() as u64,
            tree_bytes.len() as u64,
        ))
}

/// Ends a run that cannot begin.
fn refuse(reason: impl defmt::Format) -> ! {
    defmt::error!("refused: {}", reason);
    end::run(REFUSED)
}

/// Starts every other core that has a role.
fn start_others(own: usize, affinities: &[u64]) {
    // Slot 0 is the stack of this core.
    let mut slot = 1;
    for (core, affinity) in affinities.iter().enumerate() {
        if core == own || !role::has_role(core) {
            continue;
        }
        let root = stage1::root();
        match power::start_core(*affinity, slot, root, secondary_main, core as u64) {
            Ok(()) => slot += 1,
            Err(PowerError::NoStack) => refuse("more cores than the linker keeps stacks for"),
            Err(PowerError::Firmware(error)) => {
                let answer = i64::from(error);
                defmt::error!(
                    "core {=usize} did not start: PSCI says {=i64}",
                    core,
                    answer
                );
                refuse("a core is missing");
            }
        }
    }
}

/// First Rust on another core.
extern "C" fn secondary_main(core: u64) -> ! {
    core_id::set(core as usize);
    stage1::forbid_writable_text();
    begin(core as usize)
}

/// Brings this core up and takes its role on.
fn begin(core: usize) -> ! {
    if !role::is_interrupted(core) {
        role::play(core);
    }
    time::set_up();
    let mut cores = INTERRUPTS.lock();
    let brought_up = cores.as_mut().map(|cores| GIC.bring_up_core(cores));
    drop(cores);
    assert!(
        matches!(brought_up, Some(Ok(()))),
        "the interrupt controller has the core"
    );
    role::play(core)
}
