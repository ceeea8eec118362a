//! Refuses a scenario that names something twice, or something that is not there.
//!
//! It trusts neither the scenario nor the tree it came with, and never repairs: a scenario that is
//! wrong in one place is refused whole, with the reason.

use alloc::vec::Vec;

use unimux_paravirt::map::{IMAGE_OFFSET, VCPUS_MAX};

use crate::arm64_image::ImageHeader;
use crate::place::{Layout, RAM_ALIGN, RAM_MAX, RAM_MIN, modules, place};
use crate::refusal::{Occupant, Refusal};
use crate::{Guest, Host, Machine, NAME_MAX, PaRange, SEATS_MAX, Scenario, WEIGHT_MAX};

/// Most functions of a scenario, idle ones included: doorbells are scanned by 64.
pub const FUNCTIONS_MAX: u32 = 64;

/// Checks the whole scenario and finds a place for every guest.
///
/// `machine.reserved` must have Unimux and the device tree in it. What the images are is checked
/// apart, by [`check_image`], since that needs their bytes.
///
/// # Errors
/// The first [`Refusal`].
// Not in line: steps of the boot, all in one function, are larger than apart.
#[inline(never)]
pub fn check<'a>(scenario: &'a Scenario, machine: &Machine) -> Result<Layout, Refusal<'a>> {
    names(scenario)?;
    cores(scenario, machine)?;
    functions(scenario)?;
    for guest in &scenario.guests {
        let bytes = guest.memory_bytes;
        if !bytes.is_multiple_of(RAM_ALIGN) || !(RAM_MIN..=RAM_MAX).contains(&bytes) {
            return Err(Refusal::MemorySize {
                guest: &guest.name,
                memory_bytes: bytes,
            });
        }
    }
    memory(machine)?;
    module_places(scenario, machine)?;
    place(scenario, machine)
}

/// Checks that the file at `guest.image`, which begins with `first_bytes`, is an arm64 `Image` that
/// fits into the guest's RAM together with its payload. Returns what a loader must know of it.
///
/// # Errors
/// [`Refusal::Image`] or [`Refusal::GuestTooSmall`].
pub fn check_image<'a>(guest: &'a Guest, first_bytes: &[u8]) -> Result<ImageHeader, Refusal<'a>> {
    let header =
        ImageHeader::parse(first_bytes, guest.image.len_bytes).map_err(|error| Refusal::Image {
            guest: &guest.name,
            error,
        })?;
    let payload_bytes = guest.payload.map_or(0, |it| it.len_bytes);
    let end = IMAGE_OFFSET
        .checked_add(header.memory_bytes)
        .and_then(|end| end.checked_add(payload_bytes.checked_next_multiple_of(4096)?));
    match end {
        Some(end) if end <= guest.memory_bytes => Ok(header),
        _ => Err(Refusal::GuestTooSmall {
            guest: &guest.name,
            memory_bytes: guest.memory_bytes,
            what: "image",
            needs_bytes: header.memory_bytes,
        }),
    }
}

fn names(scenario: &Scenario) -> Result<(), Refusal<'_>> {
    for (index, Guest { name, .. }) in scenario.guests.iter().enumerate() {
        let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        if !(1..=NAME_MAX).contains(&name.len()) || !name.bytes().all(allowed) {
            return Err(Refusal::BadName { name });
        }
        if scenario.guests[..index].iter().any(|it| it.name == *name) {
            return Err(Refusal::NameTwice { name });
        }
    }
    Ok(())
}

fn cores<'a>(scenario: &'a Scenario, machine: &Machine) -> Result<(), Refusal<'a>> {
    let cores = machine.cores;
    if scenario.engine_core >= cores {
        return Err(Refusal::NoEngineCore {
            core: scenario.engine_core,
            cores,
        });
    }
    let mut given = alloc::vec![Given {
        core: scenario.engine_core,
        to: "the engine",
        shared: false,
    }];
    if let Some(host) = &scenario.host {
        if host.cores.is_empty() {
            return Err(Refusal::HostWithoutCore);
        }
        give(&host.cores, "the host", false, cores, &mut given)?;
    }
    for guest in &scenario.guests {
        let name = guest.name.as_str();
        if guest.cores.is_empty() {
            return Err(Refusal::NoCore { guest: name });
        }
        if guest.cores.len() > VCPUS_MAX {
            return Err(Refusal::TooManyCores {
                guest: name,
                cores: guest.cores.len(),
            });
        }
        if !matches!(guest.weight(), 1..=WEIGHT_MAX) {
            return Err(Refusal::Share {
                guest: name,
                weight: guest.weight(),
            });
        }
        give(&guest.cores, name, guest.share.is_some(), cores, &mut given)?;
    }
    Ok(())
}

/// A core that somebody has.
struct Given<'a> {
    core: u32,
    to: &'a str,
    /// To others as well, if they share it too.
    shared: bool,
}

/// Gives `wanted` of the machine's `cores` to `who`.
fn give<'a>(
    wanted: &[u32],
    who: &'a str,
    shared: bool,
    cores: u32,
    given: &mut Vec<Given<'a>>,
) -> Result<(), Refusal<'a>> {
    for &core in wanted {
        if core >= cores {
            return Err(Refusal::UnknownCore { who, core, cores });
        }
        let before = given.iter().filter(|it| it.core == core);
        if let Some(other) = before.clone().find(|it| !(shared && it.shared)) {
            return Err(Refusal::CoreTwice {
                core,
                first: other.to,
                second: who,
            });
        }
        if before.count() == SEATS_MAX {
            return Err(Refusal::CoreTooShared { core });
        }
        given.push(Given {
            core,
            to: who,
            shared,
        });
    }
    Ok(())
}

fn functions(scenario: &Scenario) -> Result<(), Refusal<'_>> {
    // The physical function is one, and each tenant has one.
    let host = scenario.host.as_ref();
    let host = host.map_or(0, |it| 1 + u64::from(it.functions));
    let functions = scenario.guests.len() as u64 + u64::from(scenario.idle_functions) + host;
    if functions > u64::from(FUNCTIONS_MAX) {
        return Err(Refusal::TooManyFunctions { functions });
    }
    match scenario.guests.iter().find(|it| it.function.weight == 0) {
        Some(guest) => Err(Refusal::NoWeight { guest: &guest.name }),
        None => Ok(()),
    }
}

fn memory(machine: &Machine) -> Result<(), Refusal<'static>> {
    for (index, range) in machine.memory.iter().enumerate() {
        if let Some(other) = machine.memory[..index].iter().find(|it| it.overlaps(range)) {
            return Err(Refusal::Overlap {
                first: Occupant::Board("one memory of the machine"),
                first_range: *other,
                second: Occupant::Board("another"),
                second_range: *range,
            });
        }
    }
    Ok(())
}

fn module_places<'a>(scenario: &'a Scenario, machine: &Machine) -> Result<(), Refusal<'a>> {
    let mut placed: Vec<(Occupant<'_>, PaRange)> = Vec::new();
    let of_host = scenario.host.iter().flat_map(Host::modules);
    let of_host = of_host.map(|(what, module)| (Occupant::Board(what), module));
    for (name, module) in scenario.guests.iter().flat_map(modules).chain(of_host) {
        let range = module.range().ok_or(Refusal::ModuleLength { what: name })?;
        if !machine.memory.iter().any(|it| it.contains(&range)) {
            return Err(Refusal::OutsideMemory { what: name });
        }
        let reserved = machine
            .reserved
            .iter()
            .map(|it| (Occupant::Board(it.what), it.range));
        // Guests may be loaded from the very same bytes: they are only read.
        let may_share = matches!(name, Occupant::Guest { .. });
        let others = placed.iter().copied();
        let others = others.filter(|(_, other)| *other != range || !may_share);
        let mut in_the_way = reserved.chain(others).filter(|(_, it)| it.overlaps(&range));
        if let Some((first, first_range)) = in_the_way.next() {
            return Err(Refusal::Overlap {
                first,
                first_range,
                second: name,
                second_range: range,
            });
        }
        placed.push((name, range));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;
    use crate::Module;
    use crate::arm64_image::header;
    use crate::strategy::{guest, machine, scenario_of};
    use zerocopy::IntoBytes;

    fn module(pa: u64, len_bytes: u64) -> Module {
        Module { pa, len_bytes }
    }

    #[test]
    fn a_sound_scenario_is_taken() {
        let layout = check(&scenario_of([guest("a", 1), guest("b", 2)]), &machine()).unwrap();
        assert_eq!(layout.guests.len(), 2);
    }

    #[test]
    fn guests_that_all_say_so_may_share_cores() {
        let mut guests = [guest("a", 1), guest("b", 1)];
        guests[1].cores = [1, 1, 2].into();
        guests.iter_mut().for_each(|it| it.share = Some(1000));
        assert!(check(&scenario_of(guests), &machine()).is_ok());
    }

    #[test]
    fn guests_may_share_the_bytes_of_an_image() {
        let mut pair = [guest("a", 1), guest("b", 2)];
        pair[1].image = pair[0].image;
        assert!(check(&scenario_of(pair), &machine()).is_ok());
    }

    #[test]
    fn each_fault_is_refused_with_its_reason() {
        type Damage = fn(&mut Scenario);
        let cases: [(Damage, &str); 30] = [
            (|s| s.engine_core = 4, "no engine core"),
            (
                |s| s.guests[1].cores = [1].into(),
                "core 1 is given twice: to a and to b",
            ),
            (
                |s| s.guests[1].cores = [2, 2].into(),
                "core 2 is given twice: to b and to b",
            ),
            (
                |s| s.guests[0].cores = [0].into(),
                "core 0 is given twice: to the engine and to a",
            ),
            (
                |s| {
                    s.guests[1].cores = [1].into();
                    s.guests[1].share = Some(100);
                },
                "core 1 is given twice: to a and to b",
            ),
            (
                |s| {
                    s.guests[1].cores = [0].into();
                    s.guests[1].share = Some(100);
                },
                "core 0 is given twice: to the engine and to b",
            ),
            (|s| s.guests[0].share = Some(0), "weight 0"),
            (|s| s.guests[0].share = Some(1001), "weight 1001"),
            (
                |s| {
                    s.guests.resize(17, guest("a", 1));
                    for (index, it) in s.guests.iter_mut().enumerate() {
                        it.name = alloc::format!("g{index}");
                        it.cores = [1].into();
                        it.share = Some(1);
                    }
                },
                "core 1 is given to more than 16 vCPUs",
            ),
            (|s| s.guests[0].cores = [7].into(), "a names core 7"),
            (|s| s.guests[0].cores.clear(), "guest a has no core"),
            (
                |s| s.guests[0].cores = (0..9).collect(),
                "guest a has 9 cores",
            ),
            (|s| s.guests[1].name = "a".into(), "two guests are called a"),
            (|s| s.guests[1].name = "B!".into(), "\"B!\" is no name"),
            (|s| s.guests[1].name.clear(), "\"\" is no name"),
            (
                |s| s.guests[1].name = "abcdefghijklmnop".into(),
                "is no name",
            ),
            (|s| s.guests[0].memory_bytes = 0, "0x0 bytes of memory"),
            (
                |s| s.guests[0].memory_bytes += 4096,
                "it must be a multiple of 0x200000",
            ),
            (
                |s| s.guests[0].memory_bytes = 1 << 39,
                "0x8000000000 bytes of memory",
            ),
            (
                |s| s.guests[0].memory_bytes = 1 << 30,
                "guest a: no 0x40000000 bytes",
            ),
            (
                |s| s.guests[0].memory_at = Some(0x4100_1000),
                "cannot lie at 0x41001000",
            ),
            (
                |s| s.guests[0].memory_at = Some(0x1000_0000),
                "the memory of a lies outside",
            ),
            (
                |s| s.guests[0].memory_at = Some(u64::MAX),
                "the memory of a lies outside",
            ),
            (
                |s| s.guests[0].memory_at = Some(0x4000_0000),
                "(0x40000000..0x40010000) and the mem",
            ),
            (
                |s| {
                    s.guests
                        .iter_mut()
                        .for_each(|it| it.memory_at = Some(0x6000_0000))
                },
                "the memory of a (0x60000000..0x64000000) and the memory of b",
            ),
            (
                |s| s.guests[0].image = module(0x1000, 1),
                "the image of a lies outside",
            ),
            (
                |s| s.guests[0].image.len_bytes = 0,
                "the image of a is empty",
            ),
            (
                |s| s.guests[1].image = module(0x4020_0800, 1),
                "Unimux (0x40200000..0x40280000) and",
            ),
            (|s| s.guests[1].function.weight = 0, "guest b: the weight"),
            (|s| s.idle_functions = 63, "65 functions"),
        ];
        for (damage, says) in cases {
            let mut scenario = scenario_of([guest("a", 1), guest("b", 2)]);
            damage(&mut scenario);
            let message = check(&scenario, &machine()).unwrap_err().to_string();
            assert!(message.contains(says), "{message:?} does not say {says:?}");
        }
    }

    #[test]
    fn modules_that_overlap_each_other_are_refused() {
        let mut pair = [guest("a", 1), guest("b", 2)];
        pair[1].payload = Some(module(pair[0].image.pa + 1, 10));
        let message = check(&scenario_of(pair), &machine())
            .unwrap_err()
            .to_string();
        assert!(message.contains("the image of a (") && message.contains("the payload of b ("));
    }

    #[test]
    fn a_payload_larger_than_the_guest_is_refused() {
        let mut large = guest("a", 1);
        large.payload = Some(module(0x7000_0000, large.memory_bytes));
        let message = check(&scenario_of([large]), &machine())
            .unwrap_err()
            .to_string();
        assert!(message.contains("too few for its payload"), "{message}");
    }

    #[test]
    fn overlapping_memory_of_the_machine_is_refused() {
        let mut machine = machine();
        machine.memory.push(machine.memory[0]);
        let message = check(&scenario_of([guest("a", 1)]), &machine)
            .unwrap_err()
            .to_string();
        assert!(message.contains("one memory of the machine"), "{message}");
    }

    #[test]
    fn an_image_must_be_one_and_fit() {
        let mut guest = guest("a", 1);
        guest.image.len_bytes = 0x1000;
        let sound = header(0x20_0000, 0x8000);
        assert_eq!(
            check_image(&guest, sound.as_bytes()).map(|it| it.memory_bytes),
            Ok(0x8000)
        );
        let message = check_image(&guest, &[0; 64]).unwrap_err().to_string();
        assert!(message.starts_with("guest a: no arm64 Image"), "{message}");
        let large = header(0, guest.memory_bytes - IMAGE_OFFSET);
        assert!(check_image(&guest, large.as_bytes()).is_ok());
        guest.payload = Some(module(0x7000_0000, 1));
        let message = check_image(&guest, large.as_bytes())
            .unwrap_err()
            .to_string();
        assert!(message.contains("too few for its image"), "{message}");
    }
}
