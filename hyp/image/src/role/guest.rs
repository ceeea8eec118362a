//! A guest's core: runs one vCPU, in every life of its guest.

use unimux_el2::{interrupts::Interrupt, stage2::LoadedGuest, time, vcpu::Vcpu};
use unimux_memory::Ipa;
use unimux_paravirt::{ExitReason, map};
use unimux_scenario::OnFault;

use crate::{
    exit::{self, Outcome},
    guest::{
        self, Guest,
        lifecycle::{End, FunctionState},
    },
    input,
    interrupts::VcpuInterrupts,
    invariant::holds,
};

/// Runs vCPU `vcpu` of `guest` for ever. The core's own interrupts are up.
pub(crate) fn run(guest: &'static Guest, vcpu: usize) -> ! {
    let mut interrupts = VcpuInterrupts::new(guest, vcpu);
    if vcpu == 0 {
        begin_life(guest);
        if core::ptr::eq(guest, &guest::all()[0]) {
            input::begin(guest);
        }
    }
    loop {
        let life = guest.lifecycle.life();
        while let Some((entry, x0)) = wait_for_start(guest, vcpu, &mut interrupts) {
            let mut registers = Vcpu::at(entry, x0);
            registers.load(vcpu as u64, &guest.stage2);
            interrupts.reset();
            run_until_off(guest, vcpu, &mut registers, &mut interrupts);
        }
        guest.lifecycle.park();
        if vcpu == 0 {
            keep(guest, &mut interrupts);
        } else {
            wait_for_next_life(guest, life, &mut interrupts);
        }
    }
}

/// Waits until the vCPU is started; `None` when the guest stops first.
fn wait_for_start(
    guest: &Guest,
    vcpu: usize,
    interrupts: &mut VcpuInterrupts,
) -> Option<(u64, u64)> {
    loop {
        if guest.lifecycle.is_stopping() {
            return None;
        }
        if let Some(start) = guest.vcpus[vcpu].take_start() {
            return Some(start);
        }
        // Whoever starts or stops the vCPU sends an interrupt afterwards, so none is missed: it is
        // pending, and WFI does not wait then.
        time::wait_for_interrupt();
        interrupts.take_all(|_| {});
    }
}

/// Runs a vCPU that is on until it is off, or the guest stops.
fn run_until_off(
    guest: &Guest,
    vcpu: usize,
    registers: &mut Vcpu,
    interrupts: &mut VcpuInterrupts,
) {
    while !guest.lifecycle.is_stopping() {
        interrupts.before_entry();
        let exit = registers.run();
        if matches!(exit, unimux_trap::Exit::Irq | unimux_trap::Exit::Fiq) {
            interrupts.take_all(|interrupt| guest.counters.count(vcpu, reason(interrupt)));
            continue;
        }
        let (reason, outcome) = exit::handle(guest, vcpu, interrupts, &exit, &registers.frame().x);
        guest.counters.count(vcpu, reason);
        outcome.apply(registers, exit.must_skip());
        match outcome {
            Outcome::VcpuOff => return,
            Outcome::End(end) => {
                stop(guest, vcpu, end);
            }
            // The one report: of vCPUs that fault together, the first makes it.
            Outcome::Fault if stop(guest, vcpu, End::Fault) => {
                let frame = registers.frame();
                defmt::error!(
                    "{=str}: stopped: {}; vCPU {=usize}, PC {=u64:#x}, syndrome {=u64:#x}",
                    guest.name,
                    exit,
                    vcpu,
                    frame.elr,
                    frame.esr
                );
            }
            _ => {}
        }
    }
}

fn reason(interrupt: Interrupt) -> ExitReason {
    match interrupt {
        Interrupt::Engine => ExitReason::Engine,
        Interrupt::Peer => ExitReason::Peer,
        Interrupt::Maintenance => ExitReason::Maintenance,
        Interrupt::VirtualTimer => ExitReason::Timer,
        Interrupt::Other(_) => ExitReason::Interrupt,
    }
}

/// Has all vCPUs leave. True if nobody had before.
fn stop(guest: &Guest, vcpu: usize, end: End) -> bool {
    let first = guest.lifecycle.end(end);
    if first {
        guest.kick_others(vcpu);
    }
    first
}

/// Keeper: loads the guest and starts its first vCPU.
fn begin_life(guest: &Guest) {
    guest.program.load();
    guest.counters.clear();
    let started = guest.vcpus[0].start(map::RAM_BASE + map::IMAGE_OFFSET, map::RAM_BASE);
    holds(started, "the vCPU is off between lives");
}

/// Keeper: the guest is stopping and this core has left it. Takes the function back, then begins
/// the next life or ends the last.
fn keep(guest: &Guest, interrupts: &mut VcpuInterrupts) {
    // Stop.
    while guest.lifecycle.parked() < guest.vcpus.len() {
        time::yield_now();
    }
    for vcpu in &guest.vcpus {
        vcpu.set_off();
    }
    guest.console.lock().reset();
    // Unmap the doorbell. The guest's VMID is loaded on this core, which the TLB maintenance needs.
    let doorbell = Ipa::new(map::DOORBELL_BASE);
    let withheld = guest.tables.lock().withhold(&mut LoadedGuest, doorbell);
    let doorbell = holds(withheld, "it is mapped while a guest lives");
    // Drain, invalidate, free.
    guest
        .lifecycle
        .ask_function(FunctionState::TakeBack, FunctionState::Free);

    let end = guest.lifecycle.reason();
    if !lives_on(guest, end) {
        let failed = !matches!(end, End::Off | End::Exited(0));
        guest.lifecycle.finish(failed);
        loop {
            time::wait_for_interrupt();
            // This core may be the one that hears what is typed for others.
            interrupts.take_all(|_| {});
        }
    }
    guest.gic.lock().reset();
    guest.pci.lock().reset();
    begin_life(guest);
    guest.tables.lock().restore(&mut LoadedGuest, doorbell);
    guest
        .lifecycle
        .ask_function(FunctionState::Give, FunctionState::Attached);
    guest.lifecycle.revive();
    guest.kick_others(0);
}

/// Whether there is a next life, and says so in the log.
fn lives_on(guest: &Guest, end: End) -> bool {
    match (end, guest.on_fault) {
        (End::Off, _) => defmt::info!("{=str}: off", guest.name),
        (End::Exited(code), _) => defmt::info!("{=str}: exit code {=u64}", guest.name, code),
        (End::Reset, _) => {
            // A guest may reset itself for ever, at its own cost; the log hears of it seldom.
            let lives = guest.lifecycle.life() + 1;
            if lives.is_power_of_two() {
                defmt::info!("{=str}: reset, {=u32} so far", guest.name, lives);
            }
            return true;
        }
        (End::Fault, OnFault::Stop) => {}
        (End::Fault, OnFault::Restart { times_max }) => {
            let before = guest.lifecycle.count_fault();
            if before < times_max {
                defmt::info!(
                    "{=str}: restarted, {=u32} of {=u32} times",
                    guest.name,
                    before + 1,
                    times_max
                );
                return true;
            }
            defmt::error!("{=str}: not restarted again", guest.name);
        }
    }
    false
}

/// A vCPU other than the keeper's: waits for the next life, if any.
fn wait_for_next_life(guest: &Guest, life: u32, interrupts: &mut VcpuInterrupts) {
    while guest.lifecycle.life() == life {
        time::wait_for_interrupt();
        interrupts.take_all(|_| {});
    }
}
