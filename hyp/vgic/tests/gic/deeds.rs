//! Anything that a guest or its vCPUs' cores can do to the model, of either version.

use std::fmt::Debug;
use std::ops::Range;

use crate::machine::{Machine, intid};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use unimux_vgic::{Line, VCPUS_MAX, VirtualGic};

#[derive(Clone, Debug)]
pub(crate) enum Deed<A> {
    /// The guest's, to a register of its version.
    Access(A),
    Pulse(usize, u32),
    Assert(usize, u32, bool),
    Forward(usize, u32),
    Refill(usize, usize),
    Retire(usize, Vec<u64>),
    Reset,
}

/// vCPUs that there may be, and more.
pub(crate) fn vcpu() -> Range<usize> {
    0..VCPUS_MAX + 2
}

/// Bytes of an access, also of none that there is.
pub(crate) fn width() -> impl Strategy<Value = usize> + Clone {
    prop::sample::select(vec![0_usize, 1, 2, 3, 4, 8, 16])
}

/// Deeds, of which an access is `weight` times as likely as any other.
pub(crate) fn deed<A: Clone + Debug>(
    weight: u32,
    access: impl Strategy<Value = A>,
) -> impl Strategy<Value = Deed<A>> {
    prop_oneof![
        weight => access.prop_map(Deed::Access),
        1 => (vcpu(), 0..96_u32).prop_map(|(v, i)| Deed::Pulse(v, i)),
        1 => (vcpu(), 0..96_u32, any::<bool>()).prop_map(|(v, i, l)| Deed::Assert(v, i, l)),
        1 => (vcpu(), 0..96_u32).prop_map(|(v, i)| Deed::Forward(v, i)),
        1 => (vcpu(), 0..20_usize).prop_map(|(v, n)| Deed::Refill(v, n)),
        1 => (vcpu(), prop::collection::vec(any::<u64>(), 0..20))
            .prop_map(|(v, l)| Deed::Retire(v, l)),
        1 => Just(Deed::Reset),
    ]
}

fn line(vcpu: usize, number: u32) -> Line {
    let intid = intid(number);
    if intid.is_private() {
        Line::Private { vcpu, intid }
    } else {
        Line::Shared(intid)
    }
}

/// Does all of them: none panics, and no shared interrupt is ever listed twice, which is the
/// invariant of the crate. `access` carries out what the guest does.
pub(crate) fn carry_out<V: Machine, A>(
    vcpus: usize,
    deeds: Vec<Deed<A>>,
    mut access: impl FnMut(&mut VirtualGic<V>, A) -> Result<(), TestCaseError>,
) -> Result<(), TestCaseError> {
    let mut gic = VirtualGic::new(vcpus);
    let mut listed: [Vec<u32>; VCPUS_MAX + 2] = Default::default();
    for deed in deeds {
        match deed {
            Deed::Access(it) => access(&mut gic, it)?,
            Deed::Pulse(vcpu, number) => {
                let _ = gic.pulse(line(vcpu, number));
            }
            Deed::Assert(vcpu, number, level) => {
                let _ = gic.assert(line(vcpu, number), level);
            }
            Deed::Forward(vcpu, number) => {
                let _ = gic.forward(vcpu, intid(number));
            }
            Deed::Refill(vcpu, room) => {
                let refill = gic.refill(vcpu, room);
                prop_assert!(refill.lists().len() <= room.min(16));
                let lists = refill.lists().iter();
                listed[vcpu] = lists.map(|list| V::entry(*list).intid).collect();
            }
            Deed::Retire(vcpu, lists) => {
                let _ = gic.retire(vcpu, &lists);
                listed[vcpu].clear();
            }
            Deed::Reset => {
                gic.reset();
                listed = Default::default();
            }
        }
        let shared = listed.iter().flatten().copied().filter(|it| *it >= 32);
        let mut shared: Vec<u32> = shared.collect();
        let count = shared.len();
        shared.sort_unstable();
        shared.dedup();
        prop_assert_eq!(shared.len(), count);
    }
    Ok(())
}
