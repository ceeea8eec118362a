//! Loads and stores that stage 2 refused: the emulated devices, or a fault.

use unimux_memory::Ipa;
use unimux_paravirt::{ExitReason, map};
use unimux_pci::Life;
use unimux_trap::{Abort, Direction, Registers};

use super::Outcome;
use crate::{
    gic::{GuestGic, Kind, within},
    guest::Guest,
    interrupts::VcpuInterrupts,
};

/// Carries out an access to an emulated device; anything else is outside of the guest's map.
pub(super) fn data(
    guest: &Guest,
    interrupts: &mut VcpuInterrupts,
    abort: &Abort,
    registers: &Registers,
) -> (ExitReason, Outcome) {
    let (Some(ipa), false) = (abort.ipa.map(Ipa::get), abort.on_stage_1_walk) else {
        return (ExitReason::DataFault, Outcome::Fault);
    };
    let Some(access) = abort.access else {
        return undescribed(guest, abort, ipa);
    };
    if let Some(offset) = within(ipa, map::UART_BASE, map::UART_SIZE) {
        let outcome = match access.direction {
            Direction::Read => Outcome::Loaded(access, interrupts.load_uart(offset)),
            Direction::Write => {
                interrupts.store_uart(offset, access.stored_value(registers));
                Outcome::Done
            }
        };
        return (ExitReason::Console, outcome);
    }
    if let Some((reason, place)) = Kind::find(ipa, guest.vcpus.len()) {
        let len_bytes = access.size.bytes();
        let outcome = match access.direction {
            Direction::Read => Outcome::Loaded(access, interrupts.load(place, len_bytes)),
            Direction::Write => {
                interrupts.store(place, len_bytes, access.stored_value(registers));
                Outcome::Done
            }
        };
        return (reason, outcome);
    }
    if let Some(offset) = within(ipa, map::ECAM_BASE, map::ECAM_SIZE) {
        let len_bytes = access.size.bytes();
        let outcome = match access.direction {
            Direction::Read => {
                let life = || Life {
                    exits: guest.counters.all(),
                    timer_exits: guest.counters.of_guest(ExitReason::Timer),
                    lives_before: guest.lifecycle.life(),
                    function_exits: guest.counters.of_guest(ExitReason::Engine),
                };
                Outcome::Loaded(access, guest.pci.lock().read(offset, len_bytes, life))
            }
            Direction::Write => {
                interrupts.configure_pci(offset, len_bytes, access.stored_value(registers));
                Outcome::Done
            }
        };
        return (ExitReason::Pci, outcome);
    }
    (ExitReason::DataFault, Outcome::Fault)
}

/// An access that the core does not describe: cache maintenance, of which a device has nothing to
/// maintain, or a pair, a vector, an exclusive, which a device does not take.
fn undescribed(guest: &Guest, abort: &Abort, ipa: u64) -> (ExitReason, Outcome) {
    let gic = Kind::find(ipa, guest.vcpus.len()).map(|(reason, _)| reason);
    let device = [
        (map::UART_BASE, map::UART_SIZE, ExitReason::Console),
        (map::ECAM_BASE, map::ECAM_SIZE, ExitReason::Pci),
    ]
    .into_iter()
    .find(|(base, len_bytes, _)| within(ipa, *base, *len_bytes).is_some())
    .map(|(.., reason)| reason);
    match gic.or(device) {
        None => (ExitReason::DataFault, Outcome::Fault),
        Some(reason) if abort.cache_maintenance => (reason, Outcome::Done),
        Some(reason) => (reason, Outcome::ExternalAbort),
    }
}
