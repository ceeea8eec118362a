//! Loads and stores that stage 2 refused: the emulated devices, or a fault.

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
    // An access that the core does not describe (a pair, a vector) has no place in a device.
    let (Some(ipa), Some(access)) = (abort.ipa, abort.access) else {
        return (ExitReason::DataFault, Outcome::Fault);
    };
    let ipa = ipa.get();
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
