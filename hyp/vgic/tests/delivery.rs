//! From a wire to the guest's handler: each interrupt as often as it should, and no more.

mod cpu;

use cpu::{Cpu, LISTS};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use unimux_vgic::{Frame, Intid, Line, ListRegister, ListState, SgiGroup, VcpuSet, VirtualGic};

const SGI_BASE: u64 = 0x1_0000;

fn intid(number: u32) -> Intid {
    Intid::new(number).expect("an INTID below 96")
}

fn spi(number: u32) -> Line {
    Line::Shared(intid(number))
}

/// A GIC as a guest's driver leaves it: groups and all interrupts enabled, SPIs on edges if asked.
fn booted(vcpus: usize, edge: bool) -> VirtualGic {
    let mut gic = VirtualGic::new(vcpus);
    let _ = gic.write(Frame::Distributor, 0x0, 4, 0b10);
    for bank in 1..3 {
        let _ = gic.write(Frame::Distributor, 0x100 + 4 * bank, 4, 0xFFFF_FFFF);
    }
    for half in 2..6 {
        let _ = gic.write(
            Frame::Distributor,
            0xC00 + 4 * half,
            4,
            if edge { u64::MAX } else { 0 },
        );
    }
    for vcpu in 0..vcpus as u64 {
        let base = vcpu * unimux_vgic::REDISTRIBUTOR_BYTES + SGI_BASE;
        let _ = gic.write(Frame::Redistributors, base + 0x100, 4, 0xFFFF_FFFF);
    }
    gic
}

fn prioritise(gic: &mut VirtualGic, number: u32, priority: u32) {
    let _ = gic.write(
        Frame::Distributor,
        u64::from(0x400 + number),
        1,
        priority.into(),
    );
}

fn list(cpu: &Cpu, index: usize) -> ListRegister {
    ListRegister::from_bits(cpu.lists()[index])
}

#[test]
fn a_completion_is_delivered_once() {
    let mut gic = booted(2, true);
    let mut cpu = Cpu::default();
    assert_eq!(gic.pulse(spi(48)), VcpuSet::of(0));
    cpu.enter(&mut gic, 0);
    assert_eq!(list(&cpu, 0).virtual_intid(), 48);
    assert_eq!(list(&cpu, 0).state(), ListState::Pending);
    assert!(!list(&cpu, 0).hardware());
    assert_eq!(cpu.drain(&mut gic, 0), [48]);
    cpu.exit_and_enter(&mut gic, 0);
    assert_eq!(cpu.drain(&mut gic, 0), []);
}

#[test]
fn a_completion_goes_where_it_is_routed() {
    let mut gic = booted(2, true);
    let _ = gic.write(Frame::Distributor, 0x6000 + 8 * 48, 8, 1);
    assert_eq!(gic.pulse(spi(48)), VcpuSet::of(1));
    assert!(gic.refill(0, LISTS).lists().is_empty());
    let mut cpu = Cpu::default();
    cpu.enter(&mut gic, 1);
    assert_eq!(cpu.drain(&mut gic, 1), [48]);
}

#[test]
fn a_completion_routed_to_nobody_waits() {
    let mut gic = booted(2, true);
    for nowhere in [2, 0x100, 0x1_0000, 1 << 32, 0xFF_00FF_FFFF] {
        let _ = gic.write(Frame::Distributor, 0x6000 + 8 * 48, 8, nowhere);
        assert!(gic.pulse(spi(48)).is_empty(), "{nowhere:#x}");
    }
    assert_eq!(
        gic.write(Frame::Distributor, 0x6000 + 8 * 48, 8, 1),
        VcpuSet::of(1)
    );
}

#[test]
fn what_is_disabled_waits_until_it_is_enabled() {
    let cases = [
        ("the interrupt", 0x184, 1 << 16, 0x104, 1 << 16),
        ("the group", 0x0, 0, 0x0, 0b10),
    ];
    for (what, off_at, off, on_at, on) in cases {
        let mut gic = booted(1, true);
        let _ = gic.write(Frame::Distributor, off_at, 4, off);
        assert!(gic.pulse(spi(48)).is_empty(), "{what}");
        assert!(gic.refill(0, LISTS).lists().is_empty(), "{what}");
        assert_eq!(
            gic.write(Frame::Distributor, on_at, 4, on),
            VcpuSet::of(0),
            "{what}"
        );
        assert_eq!(gic.refill(0, LISTS).lists().len(), 1, "{what}");
    }
}

#[test]
fn an_edge_while_active_is_delivered_after_the_end() {
    let mut gic = booted(1, true);
    let mut cpu = Cpu::default();
    let _ = gic.pulse(spi(48));
    cpu.enter(&mut gic, 0);
    assert_eq!(cpu.acknowledge(), Some(48));
    assert_eq!(gic.pulse(spi(48)), VcpuSet::of(0));
    cpu.exit_and_enter(&mut gic, 0);
    assert_eq!(list(&cpu, 0).state(), ListState::PendingAndActive);
    cpu.end(48);
    assert_eq!(cpu.drain(&mut gic, 0), [48]);
}

#[test]
fn edges_while_pending_are_one() {
    let mut gic = booted(1, true);
    let mut cpu = Cpu::default();
    let _ = gic.pulse(spi(48));
    cpu.enter(&mut gic, 0);
    let _ = gic.pulse(spi(48));
    cpu.exit_and_enter(&mut gic, 0);
    assert_eq!(cpu.drain(&mut gic, 0), [48]);
}

#[test]
fn a_level_is_delivered_while_it_is_high() {
    let mut gic = booted(1, false);
    let mut cpu = Cpu::default();
    let _ = gic.assert(spi(40), true);
    cpu.enter(&mut gic, 0);
    for _ in 0..3 {
        assert_eq!(cpu.acknowledge(), Some(40));
        cpu.end(40);
        assert!(cpu.wants_maintenance(), "the end of a level must be told");
        cpu.exit_and_enter(&mut gic, 0);
    }
    assert_eq!(cpu.acknowledge(), Some(40));
    let _ = gic.assert(spi(40), false);
    cpu.end(40);
    cpu.exit_and_enter(&mut gic, 0);
    assert_eq!(cpu.drain(&mut gic, 0), []);
}

#[test]
fn a_level_that_drops_before_it_is_taken_is_gone() {
    let mut gic = booted(1, false);
    let mut cpu = Cpu::default();
    let _ = gic.assert(spi(40), true);
    cpu.enter(&mut gic, 0);
    assert_eq!(gic.assert(spi(40), false), VcpuSet::of(0));
    cpu.exit_and_enter(&mut gic, 0);
    assert_eq!(cpu.acknowledge(), None);
}

#[test]
fn a_pulse_on_a_level_interrupt_is_delivered_once() {
    let mut gic = booted(1, false);
    let mut cpu = Cpu::default();
    let _ = gic.pulse(spi(48));
    cpu.enter(&mut gic, 0);
    assert_eq!(cpu.drain(&mut gic, 0), [48]);
}

#[test]
fn the_timer_is_linked_to_its_physical_interrupt() {
    let mut gic = booted(1, true);
    let mut cpu = Cpu::default();
    for round in 1..=3 {
        assert_eq!(gic.forward(0, Intid::VIRTUAL_TIMER), VcpuSet::of(0));
        cpu.exit_and_enter(&mut gic, 0);
        let timer = list(&cpu, 0);
        assert!(timer.hardware());
        assert_eq!((timer.virtual_intid(), timer.physical_intid()), (27, 27));
        assert_eq!(timer.state(), ListState::Pending);
        assert_eq!(cpu.acknowledge(), Some(27));
        cpu.exit_and_enter(&mut gic, 0);
        assert_eq!(list(&cpu, 0).state(), ListState::Active);
        assert!(list(&cpu, 0).hardware());
        cpu.end(27);
        assert_eq!(cpu.deactivated.len(), round);
    }
}

/// The timer fires again between the guest's end of it and EL2's retiring of the list registers;
/// EL2 forwards first and retires second.
#[test]
fn a_timer_forwarded_before_the_last_one_is_retired_is_not_lost() {
    let mut gic = booted(1, true);
    let mut cpu = Cpu::default();
    let _ = gic.forward(0, Intid::VIRTUAL_TIMER);
    cpu.enter(&mut gic, 0);
    cpu.acknowledge();
    cpu.end(27);
    let _ = gic.forward(0, Intid::VIRTUAL_TIMER);
    cpu.exit_and_enter(&mut gic, 0);
    assert_eq!(cpu.deactivated, [27]);
    assert!(list(&cpu, 0).hardware());
    assert_eq!(cpu.drain(&mut gic, 0), [27]);
    assert_eq!(cpu.deactivated, [27, 27]);
}

#[test]
fn a_timer_that_the_guest_gives_up_is_released() {
    type GiveUp = fn(&mut VirtualGic);
    let gives_up: [(&str, GiveUp); 3] = [
        ("by clearing it", |gic| {
            let _ = gic.write(Frame::Redistributors, SGI_BASE + 0x280, 4, 1 << 27);
        }),
        ("by deactivating it", |gic| {
            let _ = gic.write(Frame::Redistributors, SGI_BASE + 0x280, 4, 1 << 27);
            let _ = gic.write(Frame::Redistributors, SGI_BASE + 0x380, 4, 1 << 27);
        }),
        ("by dying", VirtualGic::reset),
    ];
    for (how, give_up) in gives_up {
        for acknowledged in [false, true] {
            let mut gic = booted(1, true);
            let mut cpu = Cpu::default();
            let _ = gic.forward(0, Intid::VIRTUAL_TIMER);
            cpu.enter(&mut gic, 0);
            if acknowledged {
                cpu.acknowledge();
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

#[test]
fn a_guest_that_dies_with_the_timer_listed_releases_it() {
    let mut gic = booted(1, true);
    let _ = gic.forward(0, Intid::VIRTUAL_TIMER);
    let _ = gic.refill(0, LISTS);
    gic.reset();
    assert_eq!(gic.refill(0, LISTS).release(), 1 << 27);
}

#[test]
fn vcpus_interrupt_one_another() {
    let mut gic = booted(3, true);
    // SGI 5 to vCPUs 0 and 2; then SGI 1 to all but the sender.
    let wake = gic.send_sgi(1, SgiGroup::One, 5 << 24 | 0b101);
    assert_eq!(wake, VcpuSet::of(0).union(VcpuSet::of(2)));
    let wake = gic.send_sgi(0, SgiGroup::One, 1 << 40 | 1 << 24);
    assert_eq!(wake, VcpuSet::of(1).union(VcpuSet::of(2)));
    let mut handled = [0, 1, 2].map(|vcpu| {
        let mut cpu = Cpu::default();
        cpu.enter(&mut gic, vcpu);
        cpu.drain(&mut gic, vcpu)
    });
    handled.iter_mut().for_each(|list| list.sort_unstable());
    assert_eq!(handled, [vec![5], vec![1], vec![1, 5]]);
    // A group 0 request raises nothing in group 1.
    assert!(gic.send_sgi(0, SgiGroup::Zero, 5 << 24 | 0b101).is_empty());
}

#[test]
fn more_interrupts_than_list_registers_come_by_priority() {
    let mut gic = booted(1, true);
    let mut cpu = Cpu::default();
    for number in 32..44 {
        // Later numbers are more urgent.
        prioritise(&mut gic, number, 0xF0 - 8 * (number - 32));
        let _ = gic.pulse(spi(number));
    }
    let refill = cpu.enter(&mut gic, 0);
    assert!(refill.overflow());
    assert_eq!(refill.lists().len(), LISTS);
    let expected: Vec<u32> = (32..44).rev().collect();
    assert_eq!(cpu.drain(&mut gic, 0), expected);
}

#[test]
fn nested_interrupts_fill_the_list_registers_and_nothing_is_lost() {
    let mut gic = booted(1, true);
    let mut cpu = Cpu::default();
    // Two more than fit, each more urgent than the one before.
    let last = 32 + LISTS as u32;
    for number in 32..=last {
        prioritise(&mut gic, number, 0xF0 - 8 * (number - 32));
    }
    for number in 32..last {
        let _ = gic.pulse(spi(number));
        cpu.exit_and_enter(&mut gic, 0);
        assert_eq!(cpu.acknowledge(), Some(number));
    }
    let _ = gic.pulse(spi(last));
    let refill = cpu.exit_and_enter(&mut gic, 0);
    assert!(refill.overflow());
    assert!(!cpu.wants_maintenance(), "a full house must not storm");
    cpu.end(last - 1);
    assert!(cpu.wants_maintenance(), "room must be told");
    cpu.exit_and_enter(&mut gic, 0);
    assert_eq!(cpu.acknowledge(), Some(last));
    cpu.end(last);
    for number in (32..last - 1).rev() {
        cpu.end(number);
    }
    assert_eq!(cpu.drain(&mut gic, 0), []);
}

#[test]
fn an_interrupt_stays_with_the_vcpu_that_took_it() {
    let mut gic = booted(2, true);
    let mut cpus = [Cpu::default(), Cpu::default()];
    let _ = gic.pulse(spi(48));
    cpus[0].enter(&mut gic, 0);
    cpus[0].acknowledge();
    // The route changes and the interrupt fires again while vCPU 0 handles it.
    assert_eq!(gic.write(Frame::Distributor, 0x6180, 8, 1), VcpuSet::of(0));
    assert_eq!(gic.pulse(spi(48)), VcpuSet::of(0));
    assert!(cpus[1].enter(&mut gic, 1).lists().is_empty());
    cpus[0].end(48);
    // Back at EL2 it has ended, and what is pending moves to vCPU 1.
    assert_eq!(gic.retire(0, cpus[0].lists()), VcpuSet::of(1));
    assert!(cpus[0].enter(&mut gic, 0).lists().is_empty());
    cpus[1].exit_and_enter(&mut gic, 1);
    assert_eq!(cpus[1].drain(&mut gic, 1), [48]);
}

#[test]
fn another_vcpu_clears_what_is_listed() {
    let cases = [("pending", 0x284, false), ("active", 0x384, true)];
    for (what, register, acknowledged) in cases {
        let mut gic = booted(2, true);
        let mut cpu = Cpu::default();
        let _ = gic.pulse(spi(48));
        cpu.enter(&mut gic, 0);
        if acknowledged {
            cpu.acknowledge();
        }
        let wake = gic.write(Frame::Distributor, register, 4, 1 << 16);
        assert_eq!(wake, VcpuSet::of(0), "{what}");
        assert!(cpu.exit_and_enter(&mut gic, 0).lists().is_empty(), "{what}");
    }
}

/// What can happen to a guest of two vCPUs with edge-triggered interrupts.
#[derive(Clone, Debug)]
enum Event {
    Pulse(u32),
    Sgi(usize, u64),
    Timer(usize),
    Exit(usize),
    Acknowledge(usize),
    End(usize),
    Route(u32, u64),
}

fn event() -> impl Strategy<Value = Event> {
    let vcpu = 0..2_usize;
    prop_oneof![
        3 => (32..42_u32).prop_map(Event::Pulse),
        1 => (vcpu.clone(), 0..4_u64).prop_map(|(from, sgi)| Event::Sgi(from, sgi << 24 | 0b11)),
        1 => vcpu.clone().prop_map(Event::Timer),
        3 => vcpu.clone().prop_map(Event::Exit),
        4 => vcpu.clone().prop_map(Event::Acknowledge),
        3 => vcpu.prop_map(Event::End),
        1 => (32..42_u32, 0..2_u64).prop_map(|(spi, to)| Event::Route(spi, to)),
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// The specification of an edge: the guest acknowledges it at least once after it was raised,
    /// and never acknowledges more often than something was raised. Edges that meet may be one; an
    /// edge that meets a listed one may be delivered by itself, since only the vCPU's core knows
    /// whether the listed one was acknowledged before.
    #[test]
    fn every_edge_is_delivered_exactly_once(events in prop::collection::vec(event(), 0..120)) {
        let mut gic = booted(2, true);
        // More levels than list registers: handlers nest deeper than there is room.
        for number in 32..42 {
            prioritise(&mut gic, number, 8 * (number % 7) + 8);
        }
        let mut cpus = [Cpu::default(), Cpu::default()];
        // Private interrupts by vCPU; shared ones under vCPU 2.
        let key = |vcpu: usize, number: u32| (if number < 32 { vcpu } else { 2 }, number);
        let mut edges = Edges::default();
        let mut handling: [Vec<u32>; 2] = Default::default();
        let mut timer_active = [false; 2];
        for event in events {
            match event {
                Event::Pulse(number) => {
                    edges.raise(key(0, number));
                    let _ = gic.pulse(spi(number));
                }
                Event::Sgi(from, value) => {
                    let number = (value >> 24) as u32;
                    edges.raise(key(0, number));
                    edges.raise(key(1, number));
                    let _ = gic.send_sgi(from, SgiGroup::One, value);
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
                    if let Some(number) = cpus[vcpu].acknowledge() {
                        prop_assert!(edges.acknowledge(key(vcpu, number)), "{} out of nothing", number);
                        handling[vcpu].push(number);
                    }
                }
                Event::End(vcpu) => {
                    if let Some(number) = handling[vcpu].pop() {
                        cpus[vcpu].end(number);
                    }
                }
                Event::Route(number, to) => {
                    let _ = gic.write(Frame::Distributor, 0x6000 + 8 * u64::from(number), 8, to);
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
                    cpus[vcpu].end(number);
                }
                cpus[vcpu].exit_and_enter(&mut gic, vcpu);
                for number in cpus[vcpu].drain(&mut gic, vcpu) {
                    prop_assert!(edges.acknowledge(key(vcpu, number)), "{} out of nothing", number);
                }
            }
        }
        prop_assert!(edges.owed.is_empty(), "lost: {:?}", edges);
    }

    /// The specification of a level: it is there to be acknowledged, after an exit, exactly when
    /// the wire is high and the guest is not handling it already.
    #[test]
    fn a_level_is_what_the_wire_is(levels in prop::collection::vec((0..6_u32, any::<bool>()), 0..60)) {
        let mut gic = booted(1, false);
        let mut cpu = Cpu::default();
        let mut high = BTreeSet::new();
        for (number, level) in levels {
            let number = 40 + number;
            let _ = gic.assert(spi(number), level);
            if level { high.insert(number); } else { high.remove(&number); }
            cpu.exit_and_enter(&mut gic, 0);
            match cpu.acknowledge() {
                Some(taken) => {
                    prop_assert!(high.contains(&taken));
                    cpu.end(taken);
                    prop_assert!(cpu.wants_maintenance());
                }
                None => prop_assert!(high.is_empty()),
            }
        }
    }
}
