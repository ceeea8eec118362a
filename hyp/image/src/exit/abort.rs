//! Loads and stores that stage 2 refused: the emulated devices, or a fault.

use unimux_paravirt::{ExitReason, map};
use unimux_pci::Life;
use unimux_trap::{Abort, Access, Direction, Registers};

use super::Outcome;
use crate::{
    gic::{GuestGic, Kind, within},
    guest::Guest,
    interrupts::VcpuInterrupts,
};

/// An emulated device, and where in it.
enum Device {
    Uart(u64),
    Gic(ExitReason, <Kind as GuestGic>::Place),
    Pci(u64),
}

impl Device {
    /// The one at `ipa` in a guest of so many vCPUs.
    fn at(ipa: u64, vcpus: usize) -> Option<Self> {
        if let Some(offset) = within(ipa, map::UART_BASE, map::UART_SIZE) {
            return Some(Self::Uart(offset));
        }
        if let Some((reason, place)) = Kind::find(ipa, vcpus) {
            return Some(Self::Gic(reason, place));
        }
        within(ipa, map::ECAM_BASE, map::ECAM_SIZE).map(Self::Pci)
    }

    fn reason(&self) -> ExitReason {
        match self {
            Self::Uart(_) => ExitReason::Console,
            Self::Gic(reason, _) => *reason,
            Self::Pci(_) => ExitReason::Pci,
        }
    }
}

/// Carries out an access to an emulated device; anything else is outside of the guest's map.
pub(super) fn data(
    guest: &Guest,
    interrupts: &mut VcpuInterrupts,
    abort: &Abort,
    registers: &Registers,
) -> (ExitReason, Outcome) {
    let ipa = abort.ipa.filter(|_| !abort.on_stage_1_walk);
    let device = ipa.and_then(|ipa| Device::at(ipa.get(), guest.vcpus.len()));
    let Some(device) = device else {
        return (ExitReason::DataFault, Outcome::Fault);
    };
    let reason = device.reason();
    let outcome = match abort.access {
        Some(access) => access_device(guest, interrupts, device, access, registers),
        // Not described by the core. Of a device there is nothing to maintain in a cache;
        None if abort.cache_maintenance => Outcome::Done,
        // and a pair, a vector, an exclusive it does not take.
        None => Outcome::ExternalAbort,
    };
    (reason, outcome)
}

fn access_device(
    guest: &Guest,
    interrupts: &mut VcpuInterrupts,
    device: Device,
    access: Access,
    registers: &Registers,
) -> Outcome {
    let len_bytes = access.size.bytes();
    if access.direction == Direction::Read {
        let loaded = match device {
            Device::Uart(offset) => interrupts.load_uart(offset),
            Device::Gic(_, place) => interrupts.load(place, len_bytes),
            Device::Pci(offset) => guest.pci.lock().read(offset, len_bytes, || life_of(guest)),
        };
        return Outcome::Loaded(access, loaded);
    }
    let value = access.stored_value(registers);
    match device {
        Device::Uart(offset) => interrupts.store_uart(offset, value),
        Device::Gic(_, place) => interrupts.store(place, len_bytes, value),
        Device::Pci(offset) => interrupts.configure_pci(offset, len_bytes, value),
    }
    Outcome::Done
}

fn life_of(guest: &Guest) -> Life {
    Life {
        exits: guest.counters.all(),
        timer_exits: guest.counters.of_guest(ExitReason::Timer),
        lives_before: guest.lifecycle.life(),
        function_exits: guest.counters.of_guest(ExitReason::Engine),
    }
}
