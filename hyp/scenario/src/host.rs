//! The kvm-host: an operating system that gets EL2 of its cores, and what it must leave alone.
//!
//! It makes no device tree (the image does) and loads nothing: the host's kernel runs where the
//! boot loader has put it.

use alloc::string::String;
use alloc::vec::Vec;

use crate::arm64_image::ImageHeader;
use crate::pe;
use crate::place::{Layout, first_fit, modules};
use crate::refusal::Refusal;
use crate::{Machine, Module, PaRange, Reserved, Scenario};

/// What [`Machine::reserved`] calls Unimux itself: the one reservation that outlives the boot and
/// that the board's tree does not have.
pub const UNIMUX: &str = "Unimux";

/// What [`Machine::reserved`] calls the tree that Unimux was given.
pub const DEVICE_TREE: &str = "the device tree";

/// Bytes kept for the device tree that the host is given: the most that Linux takes (its
/// `Documentation/arch/arm64/booting.rst`, section 2).
pub const TREE_BYTES: u64 = 2 << 20;

/// Bytes of the region of the physical function, and its alignment.
pub const PHYSICAL_BYTES: u64 = 0x4_0000;

/// Functions for tenants, if the scenario does not say.
pub const FUNCTIONS_DEFAULT: u32 = 8;

/// Kernels run at multiples of this (booting.rst, section 4), if they say they begin there or one
/// multiple after it, which are all that [`ImageHeader::parse`] takes.
pub const IMAGE_ALIGN: u64 = 2 << 20;

const PAGE: u64 = 4096;

/// The host of virtual machines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Its cores: indices into the nodes of `/cpus`. It starts on the boot core, if that is one of
    /// them, and on the first otherwise; the others it starts itself.
    pub cores: Vec<u32>,
    /// Its arm64 `Image`, which is run in place.
    pub kernel: Module,
    /// Its initial RAM disk.
    pub initrd: Option<Module>,
    /// Its `/chosen/bootargs`.
    pub arguments: String,
    /// Functions that its tenants can have at a time.
    pub functions: u32,
}

impl Host {
    /// The module at its kernel's place and the one of its RAM disk.
    pub(crate) fn modules(&self) -> impl Iterator<Item = (&'static str, Module)> {
        let initrd = self.initrd.map(|it| ("the host's initrd", it));
        core::iter::once(("the host's kernel", self.kernel)).chain(initrd)
    }

    /// The core it starts on, when Unimux started on `boot_core`.
    pub fn first_core(&self, boot_core: u32) -> Option<u32> {
        let has_boot_core = self.cores.contains(&boot_core);
        has_boot_core
            .then_some(boot_core)
            .or(self.cores.first().copied())
    }
}

/// The machine's memory as the host sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostLayout {
    /// Room for its device tree, in its RAM.
    pub tree: PaRange,
    /// The region of the physical function.
    pub physical: PaRange,
    /// What it must not touch beside what the board reserves, in whole pages. The region of the
    /// physical function is the last.
    pub withheld: Vec<Reserved>,
    /// Its RAM: all that is left.
    pub ram: Vec<PaRange>,
}

/// Finds places for what the host is given; `None` if there is no room.
// Not in line: steps of the boot, all in one function, are larger than apart.
#[inline(never)]
pub(crate) fn place(
    scenario: &Scenario,
    host: &Host,
    layout: &Layout,
    machine: &Machine,
) -> Option<HostLayout> {
    let mut withheld: Vec<Reserved> = Vec::new();
    let mut withhold = |what, range| {
        let range = whole_pages(range)?;
        // Guests may be loaded from the very same bytes.
        if withheld.iter().all(|it| it.range != range) {
            withheld.push(Reserved { what, range });
        }
        Some(())
    };
    for reserved in machine.reserved.iter().filter(|it| it.what == UNIMUX) {
        withhold(UNIMUX, reserved.range)?;
    }
    for guest in &scenario.guests {
        for (_, module) in modules(guest) {
            withhold("module", module.range()?)?;
        }
    }
    for place in &layout.guests {
        withhold("guest", place.ram)?;
    }
    let reserved = machine.reserved.iter().map(|it| it.range);
    let own = host.modules().filter_map(|(_, module)| module.range());
    let mut taken: Vec<PaRange> = reserved
        .chain(withheld.iter().map(|it| it.range))
        .chain(own)
        .collect();
    let tree = first_fit(TREE_BYTES, machine, taken.iter().copied())?;
    taken.push(tree);
    let physical = first_fit(PHYSICAL_BYTES, machine, taken.iter().copied())?;
    withheld.push(Reserved {
        what: "physical function",
        range: physical,
    });

    // The tree that Unimux was given is free when the host starts.
    let mut ram = machine.memory.clone();
    let board = machine.reserved.iter().filter(|it| it.what != DEVICE_TREE);
    for hole in board.chain(&withheld) {
        ram = without(&ram, hole.range);
    }
    Some(HostLayout {
        tree,
        physical,
        withheld,
        ram,
    })
}

/// Checks that `file`, which is what lies at `host.kernel`, is a whole arm64 `Image` that can run
/// where it is. Returns what a loader must know of it.
///
/// # Errors
/// A [`Refusal`] of the kernel.
pub fn check_kernel(
    host: &Host,
    place: &HostLayout,
    file: &[u8],
) -> Result<ImageHeader, Refusal<'static>> {
    let header = ImageHeader::parse(file, host.kernel.len_bytes)
        .map_err(|error| Refusal::Kernel { error })?;
    let has_bytes = host.kernel.len_bytes;
    let needs_bytes = pe::file_bytes(file, header.pe_offset).unwrap_or(0);
    if needs_bytes > has_bytes {
        return Err(Refusal::KernelCutOff {
            has_bytes,
            needs_bytes,
        });
    }
    if !host.kernel.pa.is_multiple_of(IMAGE_ALIGN) {
        return Err(Refusal::KernelNotAligned { pa: host.kernel.pa });
    }
    let taken = [place.tree].into_iter();
    let mut taken = taken.chain(host.initrd.and_then(|it| it.range()));
    match PaRange::new(host.kernel.pa, header.memory_bytes) {
        Some(all)
            if place.ram.iter().any(|it| it.contains(&all))
                && !taken.any(|it| it.overlaps(&all)) =>
        {
            Ok(header)
        }
        _ => Err(Refusal::KernelWithoutRoom {
            pa: host.kernel.pa,
            memory_bytes: header.memory_bytes,
        }),
    }
}

fn whole_pages(range: PaRange) -> Option<PaRange> {
    let base = range.base() / PAGE * PAGE;
    let end = range.end().checked_next_multiple_of(PAGE)?;
    PaRange::new(base, end - base)
}

/// `ranges` less the bytes of `hole`.
fn without(ranges: &[PaRange], hole: PaRange) -> Vec<PaRange> {
    let parts = |range: &PaRange| {
        // Not `clamp`, which would carry the code that formats what it does not take.
        let within = |at: u64| at.max(range.base()).min(range.end());
        let (below, above) = (within(hole.base()), within(hole.end()));
        [
            PaRange::new(range.base(), below - range.base()),
            PaRange::new(above, range.end() - above),
        ]
    };
    ranges.iter().flat_map(parts).flatten().collect()
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;
    use crate::arm64_image::header;
    use crate::check;
    use crate::strategy::{guest, machine, scenario, scenario_of, sound_host};
    use proptest::prelude::*;
    use zerocopy::IntoBytes;

    fn mixed() -> Scenario {
        let mut scenario = scenario_of([guest("a", 1)]);
        scenario.host = Some(sound_host(&[2, 3]));
        scenario
    }

    #[test]
    fn it_starts_on_the_boot_core_if_it_has_it() {
        assert_eq!(sound_host(&[2, 1]).first_core(1), Some(1));
        assert_eq!(sound_host(&[2, 1]).first_core(0), Some(2));
        assert_eq!(sound_host(&[]).first_core(0), None);
    }

    #[test]
    fn each_fault_is_refused_with_its_reason() {
        type Damage = fn(&mut Host);
        let cases: [(Damage, &str); 9] = [
            (|h| h.cores.clear(), "the host has no core"),
            (|h| h.cores.push(4), "the host names core 4"),
            (
                |h| h.cores.push(0),
                "core 0 is given twice: to the engine and to the host",
            ),
            (
                |h| h.cores.push(2),
                "core 2 is given twice: to the host and to the host",
            ),
            (
                |h| h.cores.push(1),
                "core 1 is given twice: to the host and to a",
            ),
            (|h| h.functions = 63, "65 functions"),
            (|h| h.kernel.pa = 0x1000, "the host's kernel lies outside"),
            (
                |h| h.initrd = Some(h.kernel),
                "the host's kernel (0x70000000..0x70100000) and the host's initrd",
            ),
            (
                |h| h.kernel.pa = 0x5010_0000,
                "the image of a (0x50100000..0x50120000) and the host's kernel",
            ),
        ];
        for (damage, says) in cases {
            let mut scenario = mixed();
            damage(scenario.host.as_mut().unwrap());
            let message = check(&scenario, &machine()).unwrap_err().to_string();
            assert!(message.contains(says), "{message:?} does not say {says:?}");
        }
    }

    #[test]
    fn a_kernel_must_be_one_and_have_room() {
        let scenario = mixed();
        let layout = check(&scenario, &machine()).unwrap();
        let place = layout.host.unwrap();
        let refused = |damage: fn(&mut Host), memory_bytes| {
            let mut host = sound_host(&[2]);
            damage(&mut host);
            let header = header(0, memory_bytes);
            check_kernel(&host, &place, header.as_bytes())
                .map_err(|it| it.to_string())
                .map(|it| it.memory_bytes)
        };
        assert_eq!(refused(|_| {}, 0x1000_0000), Ok(0x1000_0000));
        type Damage = fn(&mut Host);
        let cases: [(Damage, u64, &str); 5] = [
            (|_| {}, 0x1000_0001, "are not all free"),
            (|_| {}, u64::MAX, "are not all free"),
            (|h| h.kernel.pa += 0x10_0000, 1, "no multiple of 0x200000"),
            (
                |h| {
                    h.initrd = h.kernel.range().map(|it| Module {
                        pa: it.end(),
                        len_bytes: 1,
                    })
                },
                0x20_0000,
                "are not all free",
            ),
            (|h| h.kernel.len_bytes = 63, 1, "63 bytes are too few"),
        ];
        for (damage, memory_bytes, says) in cases {
            let message = refused(damage, memory_bytes).unwrap_err();
            assert!(message.contains(says), "{message:?} does not say {says:?}");
        }
    }

    #[test]
    fn holes_are_cut_out() {
        let range = |base, end: u64| PaRange::new(base, end - base).unwrap();
        let memory = [range(10, 20), range(30, 40)];
        let cases = [
            (range(0, 10), &[range(10, 20), range(30, 40)][..]),
            (
                range(12, 15),
                &[range(10, 12), range(15, 20), range(30, 40)],
            ),
            (range(15, 35), &[range(10, 15), range(35, 40)]),
            (range(0, 50), &[]),
        ];
        for (hole, left) in cases {
            assert_eq!(without(&memory, hole), left, "{hole}");
        }
    }

    proptest! {
        /// The host's RAM and what it must leave alone are apart, whole pages, and the machine's.
        #[test]
        fn nothing_is_the_hosts_and_anothers(scenario in scenario()) {
            let machine = machine();
            let Ok(layout) = check(&scenario, &machine) else { return Ok(()) };
            let Some(place) = &layout.host else { return Ok(()) };
            let others = layout.guests.iter().map(|it| it.ram);
            let others: Vec<_> = others.chain([place.physical]).collect();
            for ram in &place.ram {
                prop_assert!(others.iter().all(|it| !it.overlaps(ram)));
                prop_assert!(place.withheld.iter().all(|it| !it.range.overlaps(ram)));
            }
            for other in &others {
                prop_assert!(place.withheld.iter().any(|it| it.range.contains(other)));
            }
            prop_assert!(place.withheld.iter().any(|it| it.what == UNIMUX));
            prop_assert!(place.ram.iter().any(|it| it.contains(&place.tree)));
            let host = scenario.host.as_ref().unwrap();
            for (_, module) in host.modules() {
                prop_assert!(!module.range().unwrap().overlaps(&place.tree));
            }
        }
    }
}
