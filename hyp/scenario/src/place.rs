//! Where each guest's RAM lies in the machine's memory.
//!
//! It decides only; the image maps, clears and fills. Places are found by first fit in the order of
//! the guests, so the same scenario on the same machine always has the same layout.

use alloc::vec;
use alloc::vec::Vec;

use unimux_paravirt::map::{IMAGE_OFFSET, IPA_BITS, RAM_BASE};

use crate::host::{self, Host, HostLayout};
use crate::refusal::{Occupant, Refusal};
use crate::{Guest, Machine, Module, PaRange, Scenario};

/// Guest RAM is made of 2 MiB blocks, the level 2 blocks of stage 2 with 4 KiB granule.
pub const RAM_ALIGN: u64 = 2 << 20;
/// The smallest RAM: the device tree's block and one for the image.
pub const RAM_MIN: u64 = IMAGE_OFFSET + RAM_ALIGN;
/// The largest RAM: up to the end of the intermediate physical addresses.
pub const RAM_MAX: u64 = (1 << IPA_BITS) - RAM_BASE;
/// A payload starts at a page, so that a guest can map it apart.
pub const PAYLOAD_ALIGN: u64 = 4096;

/// The places of all guests, in the scenario's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// One per guest.
    pub guests: Vec<GuestLayout>,
    /// The host's, if there is one.
    pub host: Option<HostLayout>,
}

/// The place of one guest, and of what lies in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuestLayout {
    /// Its RAM: [`RAM_BASE`] of the guest is the base of this.
    pub ram: PaRange,
    /// Bytes from the start of RAM to the payload, if it has one. The payload is the last thing in
    /// RAM; its length is the module's.
    pub payload_offset: Option<u64>,
}

/// Finds a place for every guest beside reserved memory and modules.
///
/// # Errors
/// The guest that does not fit, or whose fixed place is taken. Modules must have been checked.
pub(crate) fn place<'a>(scenario: &'a Scenario, machine: &Machine) -> Result<Layout, Refusal<'a>> {
    let mut taken: Vec<Taken<'_>> = machine
        .reserved
        .iter()
        .map(|it| Taken {
            what: Occupant::Board(it.what),
            range: it.range,
        })
        .collect();
    for guest in &scenario.guests {
        for (what, module) in modules(guest) {
            let Some(range) = module.range() else {
                continue;
            };
            taken.push(Taken { what, range });
        }
    }
    for (what, module) in scenario.host.iter().flat_map(Host::modules) {
        if let Some(range) = module.range() {
            taken.push(Taken {
                what: Occupant::Board(what),
                range,
            });
        }
    }
    let mut places: Vec<Option<PaRange>> = vec![None; scenario.guests.len()];
    for (guest, place) in scenario.guests.iter().zip(&mut places) {
        let Some(base) = guest.memory_at else {
            continue;
        };
        let range = fixed(guest, base, machine, &taken)?;
        taken.push(Taken {
            what: memory_of(guest),
            range,
        });
        *place = Some(range);
    }
    let mut guests = Vec::with_capacity(places.len());
    for (guest, place) in scenario.guests.iter().zip(places) {
        let ram = match place {
            Some(range) => range,
            None => {
                let others = taken.iter().map(|it| it.range);
                let range = first_fit(guest.memory_bytes, machine, others).ok_or_else(|| {
                    Refusal::ExceedsMemory {
                        guest: &guest.name,
                        memory_bytes: guest.memory_bytes,
                    }
                })?;
                taken.push(Taken {
                    what: memory_of(guest),
                    range,
                });
                range
            }
        };
        guests.push(GuestLayout {
            ram,
            payload_offset: payload_offset(guest)?,
        });
    }
    let mut layout = Layout { guests, host: None };
    if let Some(its) = &scenario.host {
        let place = host::place(scenario, its, &layout, machine);
        layout.host = Some(place.ok_or(Refusal::NoRoomForHost)?);
    }
    Ok(layout)
}

/// The modules of a guest by name.
pub(crate) fn modules(guest: &Guest) -> impl Iterator<Item = (Occupant<'_>, Module)> {
    let of = |what| Occupant::Guest {
        what,
        guest: &guest.name,
    };
    let payload = guest.payload.map(|it| (of("payload"), it));
    core::iter::once((of("image"), guest.image)).chain(payload)
}

fn memory_of(guest: &Guest) -> Occupant<'_> {
    Occupant::Guest {
        what: "memory",
        guest: &guest.name,
    }
}

fn payload_offset(guest: &Guest) -> Result<Option<u64>, Refusal<'_>> {
    let Some(payload) = guest.payload else {
        return Ok(None);
    };
    let offset = payload
        .len_bytes
        .checked_next_multiple_of(PAYLOAD_ALIGN)
        .and_then(|len| guest.memory_bytes.checked_sub(len))
        .filter(|offset| *offset >= RAM_MIN - RAM_ALIGN);
    match offset {
        Some(offset) => Ok(Some(offset)),
        None => Err(Refusal::GuestTooSmall {
            guest: &guest.name,
            memory_bytes: guest.memory_bytes,
            what: "payload",
            needs_bytes: payload.len_bytes,
        }),
    }
}

struct Taken<'a> {
    what: Occupant<'a>,
    range: PaRange,
}

fn fixed<'a>(
    guest: &'a Guest,
    base: u64,
    machine: &Machine,
    taken: &[Taken<'a>],
) -> Result<PaRange, Refusal<'a>> {
    let outside = || Refusal::OutsideMemory {
        what: memory_of(guest),
    };
    let range = PaRange::new(base, guest.memory_bytes).ok_or_else(outside)?;
    if !machine.memory.iter().any(|memory| memory.contains(&range)) {
        return Err(outside());
    }
    if !base.is_multiple_of(RAM_ALIGN) {
        return Err(Refusal::PlaceNotAligned {
            guest: &guest.name,
            base,
        });
    }
    match taken.iter().find(|it| it.range.overlaps(&range)) {
        None => Ok(range),
        Some(other) => Err(Refusal::Overlap {
            first: other.what,
            first_range: other.range,
            second: memory_of(guest),
            second_range: range,
        }),
    }
}

/// The first place for `len_bytes` bytes beside what is taken.
pub(crate) fn first_fit(
    len_bytes: u64,
    machine: &Machine,
    taken: impl Iterator<Item = PaRange> + Clone,
) -> Option<PaRange> {
    machine.memory.iter().find_map(|memory| {
        let mut base = memory.base().checked_next_multiple_of(RAM_ALIGN)?;
        loop {
            let range = PaRange::new(base, len_bytes)?;
            if !memory.contains(&range) {
                return None;
            }
            match taken.clone().find(|it| it.overlaps(&range)) {
                None => return Some(range),
                // Beyond what is in the way: `base` grows each time, so this ends.
                Some(it) => base = it.end().checked_next_multiple_of(RAM_ALIGN)?,
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::{guest, machine, scenario, scenario_of};
    use proptest::prelude::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn guests_lie_between_what_is_taken() {
        let mut first = guest("a", 1);
        first.image = Module {
            pa: 0x4490_0000,
            len_bytes: 1,
        };
        first.payload = Some(Module {
            pa: 0x4492_0000,
            len_bytes: 5000,
        });
        let mut second = guest("b", 2);
        second.memory_at = Some(0x4080_0000);
        second.image = Module {
            pa: 0x4494_0000,
            len_bytes: 1,
        };
        let layout = place(&scenario_of([first, second]), &machine()).unwrap();
        // Memory starts at 0x4000_0000 with Unimux in its second 2 MiB; b from +8 to +72 MiB,
        // modules in the 2 MiB after it.
        assert_eq!(
            layout.guests[0].ram,
            PaRange::new(0x44a0_0000, 64 * MIB).unwrap()
        );
        assert_eq!(layout.guests[0].payload_offset, Some(64 * MIB - 8192));
        assert_eq!(
            layout.guests[1].ram,
            PaRange::new(0x4080_0000, 64 * MIB).unwrap()
        );
    }

    proptest! {
        /// Whatever is placed is aligned, in memory, and overlaps nothing.
        #[test]
        fn places_are_disjoint(scenario in scenario()) {
            let machine = machine();
            let Ok(layout) = crate::check(&scenario, &machine) else { return Ok(()) };
            let mut taken: Vec<PaRange> = machine.reserved.iter().map(|it| it.range).collect();
            for guest in &scenario.guests {
                taken.extend(modules(guest).filter_map(|(_, module)| module.range()));
            }
            for (place, guest) in layout.guests.iter().zip(&scenario.guests) {
                prop_assert_eq!(place.ram.len_bytes(), guest.memory_bytes);
                prop_assert!(place.ram.base().is_multiple_of(RAM_ALIGN));
                prop_assert!(machine.memory.iter().any(|it| it.contains(&place.ram)));
                prop_assert!(taken.iter().all(|it| !it.overlaps(&place.ram)));
                taken.push(place.ram);
                if let (Some(offset), Some(payload)) = (place.payload_offset, guest.payload) {
                    prop_assert!(offset + payload.len_bytes <= guest.memory_bytes);
                }
            }
        }
    }
}
