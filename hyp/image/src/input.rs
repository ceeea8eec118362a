//! What is typed: from the UART to the guest that it is for.
//!
//! The UART interrupts the core of that guest's vCPU 0, so that typing costs exits to nobody else. A host has
//! the UART for itself; nothing comes in here then.

use unimux_board::{Board, Input as _};
use unimux_el2::{interrupts::Controller, lock::Lock};
use unimux_paravirt::map::UART_INTID;
use unimux_serial::{Input, Typed};
use unimux_vgic::{Intid, Line};

use crate::{
    board::{GIC, ThisBoard},
    guest::{self, Guest},
};

/// The interrupt of a guest's UART.
pub(crate) const UART: Line = match Intid::new(UART_INTID) {
    Some(intid) => Line::Shared(intid),
    None => panic!("the UART's interrupt is one that guests have"),
};

struct Listener {
    uart: <ThisBoard as Board>::Input,
    input: Input,
}

static LISTENER: Lock<Option<Listener>> = Lock::new(None);

/// Takes the UART's input, which is no host's.
pub(crate) fn init(uart: <ThisBoard as Board>::Input) {
    let input = Input::new();
    *LISTENER.lock() = Some(Listener { uart, input });
}

/// Begins to listen for guest 0, which is chosen at first. On the core of its vCPU 0.
pub(crate) fn begin(guest: &Guest) {
    if let Some(listener) = LISTENER.lock().as_mut() {
        listener.uart.listen();
        GIC.route(ThisBoard::INPUT_INTID, guest.vcpus[0].affinity);
    }
}

/// The UART has interrupted this core. What the vGIC knows of the core's own vCPU must be the truth.
pub(crate) fn take() {
    let mut listener = LISTENER.lock();
    let Some(Listener { uart, input }) = listener.as_mut() else {
        return;
    };
    while let Some(byte) = uart.read() {
        match input.push(byte) {
            Some(Typed::Byte(guest, byte)) => {
                if let Some(guest) = of_index(guest) {
                    type_to(guest, byte);
                }
            }
            Some(Typed::Chosen(guest)) => {
                if let Some(guest) = of_index(guest) {
                    GIC.route(ThisBoard::INPUT_INTID, guest.vcpus[0].affinity);
                }
            }
            None => {}
        }
    }
}

fn of_index(index: u8) -> Option<&'static Guest> {
    guest::all().get(usize::from(index))
}

/// One that is stopped or starts again hears nothing.
fn type_to(guest: &Guest, byte: u8) {
    if guest.lifecycle.is_stopping() {
        return;
    }
    let mut console = guest.console.lock();
    console.receive(byte);
    if let Some(level) = console.take_change() {
        // Under the console's lock, as whoever reads it changes the level too.
        for vcpu in guest.gic.lock().assert(UART, level).iter() {
            guest.kick(vcpu);
        }
    }
}
