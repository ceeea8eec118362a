//! The host's memory as the firmware asks for it.
//!
//! It keeps no account of whose what is within it: the firmware does.

use unimux_abi::{doorbell, response::Status};
use unimux_el2::slots::Slots;
use unimux_firmware::{FunctionId, Host, Note};
use unimux_memory::{Ipa, Pa, Span, Windows};
use unimux_scenario::HostLayout;

use crate::{invariant::holds, memory};

/// See [`Host`].
pub(crate) struct HostMemory {
    /// All of its RAM, by physical address.
    ram: Windows,
    slots: Slots,
    doorbells: Span,
}

impl HostMemory {
    /// The memory at `place`.
    pub(crate) fn new(place: &HostLayout, slots: Slots) -> Self {
        let mut ram = Windows::with_capacity(place.ram.len());
        for range in &place.ram {
            let granted = ram.grant_span(Ipa::new(range.base()), memory::of_host(*range));
            holds(granted, "ranges of RAM are apart");
        }
        let doorbells = memory::of_slots(&slots);
        Self {
            ram,
            slots,
            doorbells,
        }
    }
}

impl Host for HostMemory {
    fn ram(&self, pa: Pa, len_bytes: u64) -> Option<Span> {
        self.ram.translate(Ipa::new(pa.get()), len_bytes).ok()
    }

    fn map_doorbell(&mut self, function: FunctionId, pa: Pa) -> Option<Span> {
        let page = self.ram(pa, doorbell::PAGE_BYTES)?.pa();
        if !page.is_aligned(doorbell::PAGE_BYTES) {
            return None;
        }
        let slot = function.get();
        self.slots.map(usize::from(slot), page.get());
        let offset = u64::from(slot) * doorbell::PAGE_BYTES;
        self.doorbells.part(offset, doorbell::PAGE_BYTES)
    }

    fn unmap_doorbell(&mut self, function: FunctionId) {
        self.slots.unmap(usize::from(function.get()));
    }

    fn note(&mut self, note: Note) {
        match note {
            Note::Refused {
                pa,
                len_bytes,
                status: Status::InUse,
            } => defmt::warn!(
                "host: {=u64:#x}, {=u64} bytes: refused, a tenant has it already",
                pa.get(),
                len_bytes
            ),
            Note::Refused { pa, len_bytes, .. } => defmt::warn!(
                "host: {=u64:#x}, {=u64} bytes: refused, not RAM of the host's",
                pa.get(),
                len_bytes
            ),
            Note::Stopped(function) => defmt::warn!(
                "host: function {=u16} is stopped, its tenant broke its ring of responses",
                function.get()
            ),
            Note::Broken => {
                defmt::warn!("host: it broke its ring of responses, and has to attach anew");
            }
        }
    }
}
