//! A guest's interrupts between the model and the hardware.
//!
//! The model (`unimux-vgic`) is shared by the guest's cores under a lock; list registers belong to
//! one core. Between an entry and the next exit that matters, the truth about listed interrupts is
//! in the list registers; [`VcpuInterrupts::retire`] takes it back first.
//!
//! A timer's interrupt is linked to the physical one, which stays active until the guest ends the virtual
//! one, so that it is not taken again. It belongs to the vCPU: on a shared core it is
//! deactivated when the vCPU is switched out, and made active again when it is switched in, as Linux' KVM does
//! (`kvm_timer_vcpu_load_gic` in arch/arm64/kvm/arch_timer.c).

use core::sync::atomic::Ordering;

use unimux_el2::{
    interrupts::Controller,
    lists::{CpuInterface, ListRegisters},
};
use unimux_paravirt::map::{COMPLETION_INTID, EVENT_INTID};
use unimux_trap::SystemRegister;
use unimux_vgic::{Intid, LISTS_MAX, Line, VcpuSet};

use crate::{
    board::GIC,
    gic::{GuestGic, Kind, Model},
    guest::{
        Guest,
        console::{GuestConsole, wait_for_room},
    },
    input,
};

/// A register of the emulated GIC.
type Place = <Kind as GuestGic>::Place;

/// The completion interrupt, which is also the function's INTA.
const COMPLETION: Intid = intid(COMPLETION_INTID);
/// The same as an event, which nobody masks.
const EVENT: Intid = intid(EVENT_INTID);

const fn intid(number: u32) -> Intid {
    match Intid::new(number) {
        Some(intid) => intid,
        None => panic!("guests have an interrupt of this number"),
    }
}

/// What is linked to a physical interrupt of the core.
const TIMERS: [Intid; 2] = [Intid::VIRTUAL_TIMER, Intid::PHYSICAL_TIMER];

/// The interrupts of one vCPU, on its core.
pub(crate) struct VcpuInterrupts {
    guest: &'static Guest,
    vcpu: usize,
    /// List registers of this core, as of the last reset.
    room: usize,
    /// The virtual CPU interface, as of when it was last switched out.
    interface: CpuInterface,
    /// List registers that were filled for the vCPU; `None` when the truth is in the model.
    filled: Option<usize>,
}

impl VcpuInterrupts {
    /// For vCPU `vcpu` of `guest`, on its core.
    pub(crate) fn new(guest: &'static Guest, vcpu: usize) -> Self {
        Self {
            guest,
            vcpu,
            room: 0,
            interface: CpuInterface::default(),
            filled: None,
        }
    }

    /// The virtual CPU interface of this core as after reset, for the vCPU.
    pub(crate) fn reset(&mut self) {
        self.room = GIC.count().min(LISTS_MAX);
        self.interface = CpuInterface::default();
        self.switch_in();
    }

    /// The virtual CPU interface of this core as it was when it was switched out.
    pub(crate) fn switch_in(&mut self) {
        GIC.restore(&self.interface);
        for timer in TIMERS {
            if self.holds(timer) {
                GIC.activate(timer.get());
            }
        }
    }

    /// Takes everything from this core.
    pub(crate) fn switch_out(&mut self) {
        self.retire();
        self.interface = GIC.save();
        for timer in TIMERS {
            if self.holds(timer) {
                GIC.deactivate(timer.get());
            }
        }
    }

    /// Whether a timer has fired and the guest has not ended its interrupt yet, so that it is not to
    /// fire again.
    fn holds(&self, timer: Intid) -> bool {
        self.guest.gic.lock().holds(self.vcpu, timer)
    }

    /// The vCPU is switched out, and these are its timers. When the first fires of those that may; that
    /// can be long ago.
    pub(crate) fn next_timer(&self, timers: impl Iterator<Item = (u32, u64)>) -> Option<u64> {
        let may_fire = |(intid, at): (u32, u64)| {
            let timer = Intid::new(intid)?;
            (!self.holds(timer)).then_some(at)
        };
        timers.filter_map(may_fire).min()
    }

    /// As above: forwards those that have fired by `now`.
    pub(crate) fn fire(&mut self, timers: impl Iterator<Item = (u32, u64)>, now: u64) {
        for (intid, at) in timers {
            match Intid::new(intid) {
                Some(timer) if at <= now && !self.holds(timer) => self.forward(timer),
                _ => {}
            }
        }
    }

    /// Whether the vCPU has an interrupt to take. What was listed was taken back.
    pub(crate) fn are_due(&self) -> bool {
        self.guest.gic.lock().interrupts(self.vcpu)
    }

    /// Last thing before the vCPU is entered.
    pub(crate) fn before_entry(&mut self) {
        if self.filled.is_some() {
            return;
        }
        let refill = self.guest.gic.lock().refill(self.vcpu, self.room);
        for intid in (0..32).filter(|intid| refill.release() & (1 << intid) != 0) {
            GIC.deactivate(intid);
        }
        for index in 0..self.room {
            GIC.write(index, refill.lists().get(index).copied().unwrap_or(0));
        }
        GIC.set_control(refill.control());
        self.filled = Some(refill.lists().len());
    }

    /// Takes the state of listed interrupts back into the model, which may be used from here until
    /// the next entry.
    pub(crate) fn retire(&mut self) {
        let Some(filled) = self.filled.take() else {
            return;
        };
        // The maintenance interrupt is level-sensitive: it stays until nobody asks for it.
        GIC.set_control(0);
        let mut states = [0; LISTS_MAX];
        for (index, state) in states.iter_mut().enumerate().take(filled) {
            *state = GIC.read(index);
        }
        let wake = self.guest.gic.lock().retire(self.vcpu, &states[..filled]);
        self.wake(wake);
    }

    /// Raises the completion interrupts, if the engine core has marked the guest.
    pub(crate) fn take_completion(&mut self) {
        // Acquire: see `Guest::raise_completion`.
        if self.guest.completion.swap(false, Ordering::Acquire) {
            self.pulse(EVENT);
            if self.guest.pci.lock().raise() {
                self.pulse(COMPLETION);
            }
        }
    }

    /// A timer of the vCPU has fired.
    pub(crate) fn forward(&mut self, timer: Intid) {
        self.change(|gic, vcpu| gic.forward(vcpu, timer));
    }

    /// A load from the emulated GIC.
    pub(crate) fn load(&mut self, place: Place, len_bytes: usize) -> u64 {
        self.retire();
        Kind::load(&self.guest.gic.lock(), self.vcpu, place, len_bytes)
    }

    /// A store to the emulated GIC.
    pub(crate) fn store(&mut self, place: Place, len_bytes: usize, value: u64) {
        self.change(|gic, vcpu| Kind::store(gic, vcpu, place, len_bytes, value));
    }

    /// A load from the UART.
    pub(crate) fn load_uart(&mut self, offset: u64) -> u64 {
        self.access_uart(|uart| uart.read(offset))
    }

    /// A store to the UART, which may have to wait.
    pub(crate) fn store_uart(&mut self, offset: u64, value: u64) {
        wait_for_room(&self.guest.console);
        self.access_uart(|uart| uart.write(offset, value));
    }

    fn access_uart<T>(&mut self, access: impl FnOnce(&mut GuestConsole) -> T) -> T {
        let guest = self.guest;
        let mut console = guest.console.lock();
        let result = access(&mut console);
        if let Some(level) = console.take_change() {
            // Under the console's lock, as what is typed changes the level too.
            self.change(|gic, _| gic.assert(input::UART, level));
        }
        result
    }

    /// A store to the configuration space of the PCI bus.
    pub(crate) fn configure_pci(&mut self, offset: u64, len_bytes: usize, value: u64) {
        if self.guest.pci.lock().write(offset, len_bytes, value) {
            self.pulse(COMPLETION);
        }
    }

    fn pulse(&mut self, intid: Intid) {
        let listener = &self.guest.listener;
        self.change(|gic, _| {
            let wake = gic.pulse(Line::Shared(intid));
            if let Some(vcpu) = wake.iter().next() {
                listener.store(vcpu, Ordering::Relaxed);
            }
            wake
        });
    }

    /// A write to a system register. False if the GIC has no such register.
    pub(crate) fn write_system_register(&mut self, register: SystemRegister, value: u64) -> bool {
        let mut known = false;
        self.change(|gic, vcpu| {
            let wake = Kind::write_system_register(gic, vcpu, register, value);
            known = wake.is_some();
            wake.unwrap_or(VcpuSet::EMPTY)
        });
        known
    }

    fn change(&mut self, change: impl FnOnce(&mut Model, usize) -> VcpuSet) {
        self.retire();
        let wake = change(&mut self.guest.gic.lock(), self.vcpu);
        self.wake(wake);
    }

    /// Brings other vCPUs out of the guest, so that they refill. This one is out already.
    fn wake(&self, wake: VcpuSet) {
        for vcpu in wake.without(self.vcpu).iter() {
            self.guest.kick(vcpu);
        }
    }
}
