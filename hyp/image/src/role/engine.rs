//! The engine core: the firmware's loop, for ever.
//!
//! The firmware belongs to this core alone and needs no lock. Others reach it through guests'
//! memory (requests) and through atomics (lifecycle, baselines), which it looks at when one flag
//! says so. It ends the run when the last guest has ended.

use alloc::boxed::Box;
use core::sync::atomic::Ordering;

use unimux_el2::{lock::Lock, slots::Slots, time};
use unimux_engine_core::{CoreEngine, CoreFirmware, Machine, round};
use unimux_firmware::{Firmware, FunctionConfig, FunctionId, PhysicalConfig, Progress, Quota};
use unimux_memory::{Ipa, Windows};
use unimux_paravirt::{ExitReason, map};
use unimux_scenario::{Host, HostLayout, Scenario};

use crate::{
    baseline, dma, end,
    guest::{
        self, Guest,
        lifecycle::{ENGINE_WANTED, FunctionState},
    },
    heap,
    host::ram::HostMemory,
    invariant::holds,
    memory,
};

/// What the engine core owns: the firmware, and the functions of the guests in their order.
pub(crate) struct Engine {
    /// The firmware.
    firmware: CoreFirmware,
    machine: Machine,
    /// The function of each guest.
    pub(crate) functions: heapless::Vec<FunctionId, { unimux_firmware::MAX_FUNCTIONS }>,
    /// Functions in all, idle ones included.
    pub(crate) function_count: usize,
    /// Whether there is a host of virtual machines.
    pub(crate) has_host: bool,
    /// Cycles of all rounds that found something to do, from when somebody has asked for them: to
    /// read the counter costs more than an idle round.
    #[cfg(feature = "dma")]
    busy_cycles: Option<u64>,
    /// Whether there were guests, or none, and all have ended.
    guests_ended: bool,
    /// Memory that the largest of them takes, its doorbell page included.
    pub(crate) function_bytes: usize,
}

/// How long this core sleeps at least and at most while nobody has a queue: all that can come is
/// commands, of which the first may wait. An emulator, whose WFE does not wait, has its core back;
/// with 1 ms at most, a host under QEMU 7.2 still boots half a second later.
const NAP_US: [u64; 2] = [16, 10_000];

/// Where the boot core leaves the engine for the engine core.
pub(crate) static HANDED_OVER: Lock<Option<&'static mut Engine>> = Lock::new(None);

/// Interrupts the guest of a function. Those beyond the guests' are idle and belong to nobody.
fn raise(function: FunctionId) {
    if let Some(guest) = guest::all().get(usize::from(function.get())) {
        guest.raise_completion();
    }
}

/// Runs the firmware for ever.
pub(crate) fn run() -> ! {
    let engine = HANDED_OVER
        .lock()
        .take()
        .expect("the boot core leaves it before this starts");
    time::start_cycle_counter();
    // A round looks at one idle function, so a whole idle tour is as many rounds.
    let tour = engine.function_count as u32 + 1;
    let mut idle_rounds = 0;
    let [shortest, longest] = NAP_US.map(|it| time::ticks_per_second() * it / 1_000_000);
    let mut nap = shortest;
    loop {
        #[cfg(feature = "dma")]
        let began = engine.busy_cycles.map(|_| time::cycles());
        let progress = round(
            &mut engine.firmware,
            &mut engine.machine,
            Firmware::control_slice,
        );
        #[cfg(feature = "dma")]
        if let (Some(busy), Some(began), Progress::Busy) =
            (&mut engine.busy_cycles, began, progress)
        {
            *busy += time::cycles().wrapping_sub(began);
        }
        if ENGINE_WANTED.load(Ordering::Relaxed) {
            look_at_guests(engine);
        }
        match progress {
            Progress::Busy => (idle_rounds, nap) = (0, shortest),
            Progress::Attentive => {
                idle_rounds = 0;
                time::yield_now();
            }
            Progress::Waiting => {
                // A look at doorbells and at the engine with every event, and no more: the event
                // stream has some in the time of a block, and a guest that rings may SEV.
                idle_rounds = 0;
                time::wait_for_event();
            }
            Progress::Idle => {
                idle_rounds += 1;
                if idle_rounds > tour {
                    idle_rounds = 0;
                    if engine.firmware.has_queues() {
                        // A guest may SEV after it rang; if not, the event stream ends the wait.
                        time::wait_for_event();
                    } else {
                        time::nap(nap);
                        nap = longest.min(2 * nap);
                    }
                }
            }
        }
    }
}

/// Somebody asked for something beside the firmware's loop.
fn look_at_guests(engine: &mut Engine) {
    // Acquire: what is asked for was stored before the flag. Cleared first, so that what is asked
    // meanwhile is seen next time.
    ENGINE_WANTED.swap(false, Ordering::Acquire);
    let mut ended = 0;
    for (guest, function) in guest::all().iter().zip(engine.functions.iter().copied()) {
        move_function(&mut engine.firmware, guest, function);
        ended += usize::from(guest.lifecycle.has_ended());
    }
    baseline::serve(
        #[cfg(feature = "dma")]
        engine.firmware.engine_mut(),
        #[cfg(feature = "dma")]
        &mut engine.busy_cycles,
    );
    if ended == guest::all().len() && !engine.guests_ended {
        engine.guests_ended = true;
        dma::report(engine.firmware.engine());
        let failed = report();
        // A host ends the run itself, by powering the machine off.
        if !engine.has_host {
            end::run(u8::from(failed));
        }
    }
}

/// One step of a function on its way from a guest or back to it.
fn move_function(firmware: &mut CoreFirmware, guest: &Guest, function: FunctionId) {
    let lifecycle = &guest.lifecycle;
    match lifecycle.function() {
        FunctionState::TakeBack => {
            firmware.begin_take_back(function);
            lifecycle.set_function(FunctionState::Draining);
            ENGINE_WANTED.store(true, Ordering::Relaxed);
        }
        FunctionState::Draining if firmware.is_free(function) => {
            clear_doorbell(guest);
            lifecycle.set_function(FunctionState::Free);
            guest.kick(0);
        }
        // Rounds of the firmware bring it about; look again after the next.
        FunctionState::Draining => ENGINE_WANTED.store(true, Ordering::Relaxed),
        FunctionState::Give => {
            assert!(firmware.give(function), "the function is free");
            lifecycle.set_function(FunctionState::Attached);
            guest.kick(0);
        }
        FunctionState::Attached | FunctionState::Free => {}
    }
}

/// The next life finds its doorbell page as the first did.
fn clear_doorbell(guest: &Guest) {
    guest
        .doorbell
        .write(0, &[0; 512])
        .expect("a page has 512 words");
}

/// All guests have ended: says what EL2 counted. True if one failed.
fn report() -> bool {
    let mut failed = false;
    for guest in guest::all() {
        for reason in ExitReason::ALL {
            let count = guest.counters.of_guest(reason);
            if count > 0 {
                defmt::info!(
                    "{=str}: {=u64} exits: {=str}",
                    guest.name,
                    count,
                    reason.name()
                );
            }
        }
        failed |= guest.lifecycle.has_failed();
    }
    if failed {
        defmt::error!("the run failed");
    } else {
        defmt::info!("all guests are off");
    }
    failed
}

/// Makes the firmware and its functions: one for each guest, in their order, then the idle ones.
///
/// # Panics
/// If the firmware refuses a function: the scenario was checked.
// Not in line: steps of the boot, all in one function, are larger than apart.
#[inline(never)]
pub(crate) fn make(
    scenario: &Scenario,
    guests: &[Guest],
    engine: CoreEngine,
    seed: [u8; 32],
) -> Engine {
    let mut firmware = Firmware::new(engine, seed);
    let mut functions = heapless::Vec::new();
    let mut function_bytes = 0;
    for (guest, its) in guests.iter().zip(&scenario.guests) {
        let before = heap::used_bytes();
        let function = firmware.add_function(FunctionConfig {
            windows: guest.windows.clone(),
            doorbell: guest.doorbell,
            quota: quota(&its.function.quota),
            partition: its.function.partition,
            weight: its.function.weight,
        });
        let function = holds(function, "the scenario was checked");
        let bytes = heap::used_bytes() - before + map::DOORBELL_SIZE as usize;
        function_bytes = function_bytes.max(bytes);
        holds(functions.push(function), "as many as the firmware has");
    }
    let function_count = guests.len() + scenario.idle_functions as usize;
    for index in guests.len()..function_count {
        let (_, doorbell) = memory::doorbell_window(index);
        let doorbell = doorbell.translate(Ipa::new(map::DOORBELL_BASE), map::DOORBELL_SIZE);
        let doorbell = holds(doorbell, "it was granted just now");
        let function = firmware.add_function(FunctionConfig {
            windows: Windows::new(),
            doorbell,
            quota: quota(&unimux_scenario::Quota::default()),
            partition: 0,
            weight: 1,
        });
        holds(function, "the scenario was checked");
    }
    Engine {
        firmware,
        machine: Machine::new(raise),
        functions,
        function_count,
        has_host: false,
        #[cfg(feature = "dma")]
        busy_cycles: None,
        guests_ended: false,
        function_bytes,
    }
}

/// The most that one tenant's function may have. Memory for it is taken for every tenant.
const TENANT_QUOTA: Quota = Quota {
    pds: 16,
    cqs: 64,
    qps: unimux_firmware::MAX_QPS,
    mrs: 256,
    pages: 16384,
};

/// Windows of one tenant's function: 2 GiB of scattered pages of 2 MiB.
const TENANT_WINDOWS: usize = 1024;

impl Engine {
    /// Adds the physical function, and functions for tenants, after the guests' and the idle ones.
    ///
    /// # Panics
    /// If the firmware refuses them: the scenario was checked.
    pub(crate) fn add_host(&mut self, host: &Host, place: &HostLayout, slots: Slots) {
        let region = memory::of_host(place.physical);
        for page in 0..region.len_bytes() / 4096 {
            holds(
                region.write(page * 4096, &[0; 512]).ok_or(()),
                "a page of it",
            );
        }
        self.machine
            .set_host(Box::new(HostMemory::new(place, slots)));
        let added = self.firmware.add_physical_function(PhysicalConfig {
            region,
            tenants: host.functions as u16,
            quota: TENANT_QUOTA,
            windows: TENANT_WINDOWS,
        });
        let added = holds(added, "the scenario was checked");
        defmt::info!(
            "function {=u16} is the physical one, at {=u64:#x}; {=u32} for tenants follow",
            added.get(),
            place.physical.base(),
            host.functions
        );
        self.function_count += 1 + host.functions as usize;
        self.has_host = true;
    }
}

fn quota(quota: &unimux_scenario::Quota) -> Quota {
    let narrow = |count: u32| u16::try_from(count).unwrap_or(u16::MAX);
    Quota {
        pds: narrow(quota.pds),
        cqs: narrow(quota.cqs),
        qps: narrow(quota.qps).min(unimux_firmware::MAX_QPS),
        mrs: narrow(quota.mrs),
        pages: quota.pages,
    }
}
