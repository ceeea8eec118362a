//! From a wire to the guest's handler: each interrupt as often as it should, and no more.

use crate::machine::{Cpu, LISTS, Machine, spi};
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

/// What EL2 asks when a core is given to another vCPU.
fn an_active_timer_is_held_and_wakes_nobody<V: Machine>() {
    let mut gic = V::booted(1, true);
    let mut cpu = Cpu::default();
    let asks = |gic: &VirtualGic<V>| (gic.interrupts(0), gic.holds(0, Intid::VIRTUAL_TIMER));
    assert_eq!(asks(&gic), (false, false));
    let _ = gic.forward(0, Intid::VIRTUAL_TIMER);
    assert_eq!(asks(&gic), (true, true));
    cpu.enter(&mut gic, 0);
    let _ = gic.retire(0, cpu.lists());
    assert_eq!(asks(&gic), (true, true), "pending still");
    cpu.enter(&mut gic, 0);
    cpu.acknowledge::<V>();
    let _ = gic.retire(0, cpu.lists());
    assert_eq!(asks(&gic), (false, true), "active");
    cpu.enter(&mut gic, 0);
    cpu.end::<V>(27);
    let _ = gic.retire(0, cpu.lists());
    assert_eq!(asks(&gic), (false, false));
    let _ = gic.pulse(spi(48));
    assert_eq!(asks(&gic), (true, false));
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
    an_active_timer_is_held_and_wakes_nobody
    a_timer_forwarded_before_the_last_one_is_retired_is_not_lost
    a_timer_that_the_guest_gives_up_is_released
    a_guest_that_dies_with_the_timer_listed_releases_it
    vcpus_interrupt_one_another
    more_interrupts_than_list_registers_come_by_priority
    nested_interrupts_fill_the_list_registers_and_nothing_is_lost
    an_interrupt_stays_with_the_vcpu_that_took_it
    another_vcpu_clears_what_is_listed
}
