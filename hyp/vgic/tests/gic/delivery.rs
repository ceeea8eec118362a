//! From a wire to the guest's handler: each interrupt as often as it should, and no more.

use crate::machine::{Cpu, LISTS, Machine, spi};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use unimux_vgic::{Intid, ListState, V2, V3, VcpuSet, VirtualGic};

fn a_completion_is_delivered_once<V: Machine>() {
    let mut gic = V::booted(2, true);
    let mut cpu = Cpu::default();
    assert_eq!(gic.pulse(spi(48)), VcpuSet::of(0));
    cpu.enter(&mut gic, 0);
    assert_eq!(cpu.entry::<V>(0).intid, 48);
    assert_eq!(cpu.entry::<V>(0).state, ListState::Pending);
    assert_eq!(cpu.entry::<V>(0).physical, None);
    assert_eq!(cpu.drain(&mut gic, 0), [48]);
    cpu.exit_and_enter(&mut gic, 0);
    assert_eq!(cpu.drain(&mut gic, 0), []);
}

fn a_completion_goes_where_it_is_routed<V: Machine>() {
    let mut gic = V::booted(2, true);
    let _ = V::route(&mut gic, 48, 1);
    assert_eq!(gic.pulse(spi(48)), VcpuSet::of(1));
    assert!(gic.refill(0, LISTS).lists().is_empty());
    let mut cpu = Cpu::default();
    cpu.enter(&mut gic, 1);
    assert_eq!(cpu.drain(&mut gic, 1), [48]);
}

fn what_is_disabled_waits_until_it_is_enabled<V: Machine>() {
    let cases = [
        ("the interrupt", 0x184, 1 << 16, 0x104, 1 << 16),
        ("the group", 0x0, 0, 0x0, 0b11),
    ];
    for (what, off_at, off, on_at, on) in cases {
        let mut gic = V::booted(1, true);
        let _ = V::store(&mut gic, off_at, 4, off);
        assert!(gic.pulse(spi(48)).is_empty(), "{what}");
        assert!(gic.refill(0, LISTS).lists().is_empty(), "{what}");
        assert_eq!(V::store(&mut gic, on_at, 4, on), VcpuSet::of(0), "{what}");
        assert_eq!(gic.refill(0, LISTS).lists().len(), 1, "{what}");
    }
}

fn an_edge_while_active_is_delivered_after_the_end<V: Machine>() {
    let mut gic = V::booted(1, true);
    let mut cpu = Cpu::default();
    let _ = gic.pulse(spi(48));
    cpu.enter(&mut gic, 0);
    assert_eq!(cpu.acknowledge::<V>(), Some(48));
    assert_eq!(gic.pulse(spi(48)), VcpuSet::of(0));
    cpu.exit_and_enter(&mut gic, 0);
    assert_eq!(cpu.entry::<V>(0).state, ListState::PendingAndActive);
    cpu.end::<V>(48);
    assert_eq!(cpu.drain(&mut gic, 0), [48]);
}

fn edges_while_pending_are_one<V: Machine>() {
    let mut gic = V::booted(1, true);
    let mut cpu = Cpu::default();
    let _ = gic.pulse(spi(48));
    cpu.enter(&mut gic, 0);
    let _ = gic.pulse(spi(48));
    cpu.exit_and_enter(&mut gic, 0);
    assert_eq!(cpu.drain(&mut gic, 0), [48]);
}

fn a_level_is_delivered_while_it_is_high<V: Machine>() {
    let mut gic = V::booted(1, false);
    let mut cpu = Cpu::default();
    let _ = gic.assert(spi(40), true);
    cpu.enter(&mut gic, 0);
    for _ in 0..3 {
        assert_eq!(cpu.acknowledge::<V>(), Some(40));
        cpu.end::<V>(40);
        assert!(
            cpu.wants_maintenance::<V>(),
            "the end of a level must be told"
        );
        cpu.exit_and_enter(&mut gic, 0);
    }
    assert_eq!(cpu.acknowledge::<V>(), Some(40));
    let _ = gic.assert(spi(40), false);
    cpu.end::<V>(40);
    cpu.exit_and_enter(&mut gic, 0);
    assert_eq!(cpu.drain(&mut gic, 0), []);
}

fn a_level_that_drops_before_it_is_taken_is_gone<V: Machine>() {
    let mut gic = V::booted(1, false);
    let mut cpu = Cpu::default();
    let _ = gic.assert(spi(40), true);
    cpu.enter(&mut gic, 0);
    assert_eq!(gic.assert(spi(40), false), VcpuSet::of(0));
    cpu.exit_and_enter(&mut gic, 0);
    assert_eq!(cpu.acknowledge::<V>(), None);
}

fn a_pulse_on_a_level_interrupt_is_delivered_once<V: Machine>() {
    let mut gic = V::booted(1, false);
    let mut cpu = Cpu::default();
    let _ = gic.pulse(spi(48));
    cpu.enter(&mut gic, 0);
    assert_eq!(cpu.drain(&mut gic, 0), [48]);
}

fn the_timer_is_linked_to_its_physical_interrupt<V: Machine>() {
    let mut gic = V::booted(1, true);
    let mut cpu = Cpu::default();
    for round in 1..=3 {
        assert_eq!(gic.forward(0, Intid::VIRTUAL_TIMER), VcpuSet::of(0));
        cpu.exit_and_enter(&mut gic, 0);
        let timer = cpu.entry::<V>(0);
        assert_eq!((timer.intid, timer.physical), (27, Some(27)));
        assert_eq!(timer.state, ListState::Pending);
        assert_eq!(cpu.acknowledge::<V>(), Some(27));
        cpu.exit_and_enter(&mut gic, 0);
        assert_eq!(cpu.entry::<V>(0).state, ListState::Active);
        assert_eq!(cpu.entry::<V>(0).physical, Some(27));
        cpu.end::<V>(27);
        assert_eq!(cpu.deactivated.len(), round);
    }
}

/// The timer fires again between the guest's end of it and EL2's retiring of the list registers;
/// EL2 forwards first and retires second.
fn a_timer_forwarded_before_the_last_one_is_retired_is_not_lost<V: Machine>() {
    let mut gic = V::booted(1, true);
    let mut cpu = Cpu::default();
    let _ = gic.forward(0, Intid::VIRTUAL_TIMER);
    cpu.enter(&mut gic, 0);
    cpu.acknowledge::<V>();
    cpu.end::<V>(27);
    let _ = gic.forward(0, Intid::VIRTUAL_TIMER);
    cpu.exit_and_enter(&mut gic, 0);
    assert_eq!(cpu.deactivated, [27]);
    assert_eq!(cpu.entry::<V>(0).physical, Some(27));
    assert_eq!(cpu.drain(&mut gic, 0), [27]);
    assert_eq!(cpu.deactivated, [27, 27]);
}

fn a_timer_that_the_guest_gives_up_is_released<V: Machine>() {
    type GiveUp<V> = fn(&mut VirtualGic<V>);
    let gives_up: [(&str, GiveUp<V>); 3] = [
        ("by clearing it", |gic| {
            let _ = V::store_private(gic, 0, 0x280, 1 << 27);
        }),
        ("by deactivating it", |gic| {
            let _ = V::store_private(gic, 0, 0x280, 1 << 27);
            let _ = V::store_private(gic, 0, 0x380, 1 << 27);
        }),
        ("by dying", VirtualGic::reset),
    ];
    for (how, give_up) in gives_up {
        for acknowledged in [false, true] {
            let mut gic = V::booted(1, true);
            let mut cpu = Cpu::default();
            let _ = gic.forward(0, Intid::VIRTUAL_TIMER);
            cpu.enter(&mut gic, 0);
            if acknowledged {
                cpu.acknowledge::<V>();
            }
            let _ = gic.retire(0, cpu.lists());
            give_up(&mut gic);
            let refill = gic.refill(0, LISTS);
            let still_active = acknowledged && how == "by clearing it";
            let expected = if still_active { 0 } else { 1 << 27 };
            assert_eq!(
                refill.release(),
                expected,
                "{how}, acknowledged: {acknowledged}"
            );
            assert_eq!(gic.refill(0, LISTS).release(), 0, "{how}: once only");
        }
    }
}

fn a_guest_that_dies_with_the_timer_listed_releases_it<V: Machine>() {
    let mut gic = V::booted(1, true);
    let _ = gic.forward(0, Intid::VIRTUAL_TIMER);
    let _ = gic.refill(0, LISTS);
    gic.reset();
    assert_eq!(gic.refill(0, LISTS).release(), 1 << 27);
}

fn vcpus_interrupt_one_another<V: Machine>() {
    let mut gic = V::booted(3, true);
    let wake = V::send(&mut gic, 1, 5, 0b101);
    assert_eq!(wake, VcpuSet::of(0).union(VcpuSet::of(2)));
    let wake = V::send(&mut gic, 0, 1, 0b110);
    assert_eq!(wake, VcpuSet::of(1).union(VcpuSet::of(2)));
    let mut handled = [0, 1, 2].map(|vcpu| {
        let mut cpu = Cpu::default();
        cpu.enter(&mut gic, vcpu);
        cpu.drain(&mut gic, vcpu)
    });
    handled.iter_mut().for_each(|list| list.sort_unstable());
    let [of_0, of_1] = [V::acknowledged(1, 0), V::acknowledged(5, 1)];
    assert_eq!(handled, [vec![of_1], vec![of_0], vec![of_0, of_1]]);
}

fn more_interrupts_than_list_registers_come_by_priority<V: Machine>() {
    let mut gic = V::booted(1, true);
    let mut cpu = Cpu::default();
    for number in 32..44 {
        // Later numbers are more urgent.
        V::prioritise(&mut gic, number, 0xF0 - 8 * (number - 32));
        let _ = gic.pulse(spi(number));
    }
    let refill = cpu.enter(&mut gic, 0);
    assert!(refill.overflow());
    assert_eq!(refill.lists().len(), LISTS);
    let expected: Vec<u32> = (32..44).rev().collect();
    assert_eq!(cpu.drain(&mut gic, 0), expected);
}

fn nested_interrupts_fill_the_list_registers_and_nothing_is_lost<V: Machine>() {
    let mut gic = V::booted(1, true);
    let mut cpu = Cpu::default();
    // Two more than fit, each more urgent than the one before.
    let last = 32 + LISTS as u32;
    for number in 32..=last {
        V::prioritise(&mut gic, number, 0xF0 - 8 * (number - 32));
    }
    for number in 32..last {
        let _ = gic.pulse(spi(number));
        cpu.exit_and_enter(&mut gic, 0);
        assert_eq!(cpu.acknowledge::<V>(), Some(number));
    }
    let _ = gic.pulse(spi(last));
    let refill = cpu.exit_and_enter(&mut gic, 0);
    assert!(refill.overflow());
    assert!(!cpu.wants_maintenance::<V>(), "a full house must not storm");
    cpu.end::<V>(last - 1);
    assert!(cpu.wants_maintenance::<V>(), "room must be told");
    cpu.exit_and_enter(&mut gic, 0);
    assert_eq!(cpu.acknowledge::<V>(), Some(last));
    cpu.end::<V>(last);
    for number in (32..last - 1).rev() {
        cpu.end::<V>(number);
    }
    assert_eq!(cpu.drain(&mut gic, 0), []);
}

fn an_interrupt_stays_with_the_vcpu_that_took_it<V: Machine>() {
    let mut gic = V::booted(2, true);
    let mut cpus = [Cpu::default(), Cpu::default()];
    let _ = gic.pulse(spi(48));
    cpus[0].enter(&mut gic, 0);
    cpus[0].acknowledge::<V>();
    // The route changes and the interrupt fires again while vCPU 0 handles it.
    assert_eq!(V::route(&mut gic, 48, 1), VcpuSet::of(0));
    assert_eq!(gic.pulse(spi(48)), VcpuSet::of(0));
    assert!(cpus[1].enter(&mut gic, 1).lists().is_empty());
    cpus[0].end::<V>(48);
    // Back at EL2 it has ended, and what is pending moves to vCPU 1.
    assert_eq!(gic.retire(0, cpus[0].lists()), VcpuSet::of(1));
    assert!(cpus[0].enter(&mut gic, 0).lists().is_empty());
    cpus[1].exit_and_enter(&mut gic, 1);
    assert_eq!(cpus[1].drain(&mut gic, 1), [48]);
}

fn another_vcpu_clears_what_is_listed<V: Machine>() {
    let cases = [("pending", 0x284, false), ("active", 0x384, true)];
    for (what, register, acknowledged) in cases {
        let mut gic = V::booted(2, true);
        let mut cpu = Cpu::default();
        let _ = gic.pulse(spi(48));
        cpu.enter(&mut gic, 0);
        if acknowledged {
            cpu.acknowledge::<V>();
        }
        let wake = V::store(&mut gic, register, 4, 1 << 16);
        assert_eq!(wake, VcpuSet::of(0), "{what}");
        assert!(cpu.exit_and_enter(&mut gic, 0).lists().is_empty(), "{what}");
    }
}

/// What can happen to a guest of two vCPUs with edge-triggered interrupts.
#[derive(Clone, Debug)]
enum Event {
    Pulse(u32),
    Sgi(usize, u32),
    Timer(usize),
    Exit(usize),
    Acknowledge(usize),
    End(usize),
    Route(u32, u8),
}

fn event() -> impl Strategy<Value = Event> {
    let vcpu = 0..2_usize;
    prop_oneof![
        3 => (32..42_u32).prop_map(Event::Pulse),
        1 => (vcpu.clone(), 0..4_u32).prop_map(|(from, sgi)| Event::Sgi(from, sgi)),
        1 => vcpu.clone().prop_map(Event::Timer),
        3 => vcpu.clone().prop_map(Event::Exit),
        4 => vcpu.clone().prop_map(Event::Acknowledge),
        3 => vcpu.prop_map(Event::End),
        1 => (32..42_u32, 0..2_u8).prop_map(|(spi, to)| Event::Route(spi, to)),
    ]
}

/// Edges by interrupt.
#[derive(Debug, Default)]
struct Edges {
    /// To be acknowledged still.
    owed: BTreeSet<(usize, u32)>,
    /// Raised more often than acknowledged, by so many.
    ahead: BTreeMap<(usize, u32), u32>,
}

impl Edges {
    fn raise(&mut self, key: (usize, u32)) {
        self.owed.insert(key);
        *self.ahead.entry(key).or_default() += 1;
    }

    /// Whether an acknowledge is backed by an edge.
    fn acknowledge(&mut self, key: (usize, u32)) -> bool {
        self.owed.remove(&key);
        let ahead = self.ahead.entry(key).or_default();
        let backed = *ahead > 0;
        *ahead = ahead.saturating_sub(1);
        backed
    }
}

/// The specification of an edge: the guest acknowledges it at least once after it was raised, and
/// never acknowledges more often than something was raised. Edges that meet may be one; an edge that
/// meets a listed one may be delivered by itself, since only the vCPU's core knows whether the
/// listed one was acknowledged before. On a GICv2 an SGI is another interrupt from each sender.
fn every_edge_is_delivered_exactly_once<V: Machine>(
    events: Vec<Event>,
) -> Result<(), TestCaseError> {
    let mut gic = V::booted(2, true);
    // More levels than list registers: handlers nest deeper than there is room.
    for number in 32..42 {
        V::prioritise(&mut gic, number, 8 * (number % 7) + 8);
    }
    let mut cpus = [Cpu::default(), Cpu::default()];
    // By what is acknowledged: private interrupts by vCPU; shared ones under vCPU 2.
    let key = |vcpu: usize, number: u32| (if number & 0x3FF < 32 { vcpu } else { 2 }, number);
    let mut edges = Edges::default();
    let mut handling: [Vec<u32>; 2] = Default::default();
    let mut timer_active = [false; 2];
    for event in events {
        match event {
            Event::Pulse(number) => {
                edges.raise(key(0, number));
                let _ = gic.pulse(spi(number));
            }
            Event::Sgi(from, sgi) => {
                for to in 0..2 {
                    edges.raise(key(to, V::acknowledged(sgi, from)));
                }
                let _ = V::send(&mut gic, from, sgi, 0b11);
            }
            // It cannot fire while it is physically active.
            Event::Timer(vcpu) if !timer_active[vcpu] => {
                timer_active[vcpu] = true;
                edges.raise(key(vcpu, 27));
                let _ = gic.forward(vcpu, Intid::VIRTUAL_TIMER);
                cpus[vcpu].exit_and_enter(&mut gic, vcpu);
            }
            Event::Timer(_) => {}
            Event::Exit(vcpu) => {
                cpus[vcpu].exit_and_enter(&mut gic, vcpu);
            }
            Event::Acknowledge(vcpu) => {
                if let Some(number) = cpus[vcpu].acknowledge::<V>() {
                    let backed = edges.acknowledge(key(vcpu, number));
                    prop_assert!(backed, "{number:#x} out of nothing");
                    handling[vcpu].push(number);
                }
            }
            Event::End(vcpu) => {
                if let Some(number) = handling[vcpu].pop() {
                    cpus[vcpu].end::<V>(number);
                }
            }
            Event::Route(number, to) => {
                let _ = V::route(&mut gic, number, to);
            }
        }
        for vcpu in 0..2 {
            if !cpus[vcpu].deactivated.is_empty() {
                prop_assert_eq!(std::mem::take(&mut cpus[vcpu].deactivated), [27]);
                prop_assert!(timer_active[vcpu], "deactivated twice");
                timer_active[vcpu] = false;
            }
        }
    }
    // End what is being handled, wake everybody, handle what comes.
    for _ in 0..3 {
        for vcpu in 0..2 {
            while let Some(number) = handling[vcpu].pop() {
                cpus[vcpu].end::<V>(number);
            }
            cpus[vcpu].exit_and_enter(&mut gic, vcpu);
            for number in cpus[vcpu].drain(&mut gic, vcpu) {
                let backed = edges.acknowledge(key(vcpu, number));
                prop_assert!(backed, "{number:#x} out of nothing");
            }
        }
    }
    prop_assert!(edges.owed.is_empty(), "lost: {:?}", edges);
    Ok(())
}

/// The specification of a level: it is there to be acknowledged, after an exit, exactly when the
/// wire is high and the guest is not handling it already.
fn a_level_is_what_the_wire_is<V: Machine>(levels: Vec<(u32, bool)>) -> Result<(), TestCaseError> {
    let mut gic = V::booted(1, false);
    let mut cpu = Cpu::default();
    let mut high = BTreeSet::new();
    for (number, level) in levels {
        let number = 40 + number;
        let _ = gic.assert(spi(number), level);
        if level {
            high.insert(number);
        } else {
            high.remove(&number);
        }
        cpu.exit_and_enter(&mut gic, 0);
        match cpu.acknowledge::<V>() {
            Some(taken) => {
                prop_assert!(high.contains(&taken));
                cpu.end::<V>(taken);
                prop_assert!(cpu.wants_maintenance::<V>());
            }
            None => prop_assert!(high.is_empty()),
        }
    }
    Ok(())
}

/// Each claim of each version.
macro_rules! on_both {
    ($($claim:ident)*) => {
        on_both!(v2: V2, $($claim)*);
        on_both!(v3: V3, $($claim)*);
    };
    ($module:ident: $version:ident, $($claim:ident)*) => {
        mod $module {
            use super::*;

            $(
                #[test]
                fn $claim() {
                    super::$claim::<$version>();
                }
            )*

            proptest! {
                #![proptest_config(ProptestConfig {
                    cases: 512,
                    failure_persistence: None,
                    ..ProptestConfig::default()
                })]

                #[test]
                fn every_edge_is_delivered_exactly_once(
                    events in prop::collection::vec(event(), 0..120)
                ) {
                    super::every_edge_is_delivered_exactly_once::<$version>(events)?;
                }

                #[test]
                fn a_level_is_what_the_wire_is(
                    levels in prop::collection::vec((0..6_u32, any::<bool>()), 0..60)
                ) {
                    super::a_level_is_what_the_wire_is::<$version>(levels)?;
                }
            }
        }
    };
}

on_both! {
    a_completion_is_delivered_once
    a_completion_goes_where_it_is_routed
    what_is_disabled_waits_until_it_is_enabled
    an_edge_while_active_is_delivered_after_the_end
    edges_while_pending_are_one
    a_level_is_delivered_while_it_is_high
    a_level_that_drops_before_it_is_taken_is_gone
    a_pulse_on_a_level_interrupt_is_delivered_once
    the_timer_is_linked_to_its_physical_interrupt
    a_timer_forwarded_before_the_last_one_is_retired_is_not_lost
    a_timer_that_the_guest_gives_up_is_released
    a_guest_that_dies_with_the_timer_listed_releases_it
    vcpus_interrupt_one_another
    more_interrupts_than_list_registers_come_by_priority
    nested_interrupts_fill_the_list_registers_and_nothing_is_lost
    an_interrupt_stays_with_the_vcpu_that_took_it
    another_vcpu_clears_what_is_listed
}
