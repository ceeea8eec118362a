//! The specifications of an edge and of a level, for whatever may happen in whatever order.

use crate::machine::{Cpu, Machine, spi};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use unimux_vgic::{Intid, V2, V3};

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
fn check_edges<V: Machine>(events: &[Event]) -> Result<(), TestCaseError> {
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
        match event.clone() {
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
fn check_levels<V: Machine>(levels: &[(u32, bool)]) -> Result<(), TestCaseError> {
    let mut gic = V::booted(1, false);
    let mut cpu = Cpu::default();
    let mut high = BTreeSet::new();
    for (number, level) in levels {
        let number = 40 + number;
        let _ = gic.assert(spi(number), *level);
        if *level {
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_edge_is_delivered_exactly_once(events in prop::collection::vec(event(), 0..120)) {
        check_edges::<V2>(&events)?;
        check_edges::<V3>(&events)?;
    }

    #[test]
    fn a_level_is_what_the_wire_is(levels in prop::collection::vec((0..6_u32, any::<bool>()), 0..60)) {
        check_levels::<V2>(&levels)?;
        check_levels::<V3>(&levels)?;
    }
}
