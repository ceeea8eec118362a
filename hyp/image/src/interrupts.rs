//! A guest's interrupts between the model and the hardware.
//!
//! The model (`unimux-vgic`) is shared by the guest's cores under a lock; list registers belong to
//! one core. Between an entry and the next exit that matters, the truth about listed interrupts is
//! in the list registers; [`VcpuInterrupts::retire`] takes it back first.

use core::sync::atomic::Ordering;

use unimux_el2::{
    interrupts::{Controller, Interrupt},
    lists::ListRegisters,
};
use unimux_paravirt::map::COMPLETION_INTID;
use unimux_vgic::{Frame, Intid, LISTS_MAX, Line, SgiGroup, VcpuSet, VirtualGic};

use crate::{board::GIC, guest::Guest};

/// The completion interrupt.
const COMPLETION: Intid = match Intid::new(COMPLETION_INTID) {
    Some(intid) => intid,
    None => panic!("the completion interrupt is one that guests have"),
};

/// The interrupts of one vCPU, on its core.
pub(crate) struct VcpuInterrupts {
    guest: &'static Guest,
    vcpu: usize,
    /// List registers of this core.
    room: usize,
    /// List registers that were filled for the vCPU; `None` when the truth is in the model.
    filled: Option<usize>,
}

impl VcpuInterrupts {
    /// For vCPU `vcpu` of `guest`, on its core.
    pub(crate) fn new(guest: &'static Guest, vcpu: usize) -> Self {
        Self {
            guest,
            vcpu,
            room: GIC.count().min(LISTS_MAX),
            filled: None,
        }
    }

    /// The virtual CPU interface as after reset.
    pub(crate) fn reset(&mut self) {
        self.filled = None;
        GIC.reset();
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
            let list = refill.lists().get(index).map_or(0, |list| list.into_bits());
            GIC.write(index, list);
        }
        GIC.set_control(refill.ich_hcr() as u32);
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

    /// Takes all physical interrupts that are pending on this core, and has `count` count them.
    pub(crate) fn take_all(&mut self, mut count: impl FnMut(Interrupt)) {
        self.retire();
        while let Some(interrupt) = GIC.take() {
            count(interrupt);
            match interrupt {
                Interrupt::Engine => {
                    // Acquire: see `Guest::raise_completion`.
                    if self.guest.completion.swap(false, Ordering::Acquire)
                        && self.guest.pci.lock().raise()
                    {
                        self.complete();
                    }
                }
                Interrupt::VirtualTimer => {
                    self.change(|gic, vcpu| gic.forward(vcpu, Intid::VIRTUAL_TIMER));
                }
                // What a peer did is in the model already; the refill finds it. So does it after a
                // maintenance interrupt.
                Interrupt::Peer | Interrupt::Maintenance | Interrupt::Other(_) => {}
            }
        }
    }

    /// A load from the emulated GIC.
    pub(crate) fn load(&mut self, frame: Frame, offset: u64, len_bytes: usize) -> u64 {
        self.retire();
        self.guest.gic.lock().read(frame, offset, len_bytes)
    }

    /// A store to the emulated GIC.
    pub(crate) fn store(&mut self, frame: Frame, offset: u64, len_bytes: usize, value: u64) {
        self.change(|gic, _| gic.write(frame, offset, len_bytes, value));
    }

    /// A store to the configuration space of the PCI bus.
    pub(crate) fn configure_pci(&mut self, offset: u64, len_bytes: usize, value: u64) {
        if self.guest.pci.lock().write(offset, len_bytes, value) {
            self.complete();
        }
    }

    /// Sends the completion interrupt, which is also the function's INTA.
    fn complete(&mut self) {
        self.change(|gic, _| gic.pulse(Line::Shared(COMPLETION)));
    }

    /// A write to an SGI register.
    pub(crate) fn send_sgi(&mut self, group: SgiGroup, value: u64) {
        self.change(|gic, vcpu| gic.send_sgi(vcpu, group, value));
    }

    fn change(&mut self, change: impl FnOnce(&mut VirtualGic, usize) -> VcpuSet) {
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
