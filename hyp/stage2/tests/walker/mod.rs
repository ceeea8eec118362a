//! A fake that punishes: frames and a machine that keep what a real walker and TLB may keep.
//!
//! The TLB here never forgets by itself. Whatever was translatable once is still translated until
//! it is invalidated, and a store counts as seen by walkers at once and as *surely* seen only after
//! a barrier: the worst of both, which is what the architecture allows. Every rule of
//! break-before-make that a change could break is an assertion in `store` or `invalidate`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use unimux_memory::Pa;
use unimux_stage2::{
    BLOCK_BYTES, Descriptor, ENTRIES, Entry, GIANT_BYTES, Invalidation, Level, Machine, PAGE_BYTES,
    TableFrames,
};

/// Where the fake frames lie.
const BASE: u64 = 0x8_0000_0000;

/// A leaf that some TLB may hold: where it was in the tables and what it said.
type Cached = BTreeMap<(u64, u64), u64>;

#[derive(Debug, Default)]
struct State {
    /// Frames that a live walk passes through. Empty before the guest runs. Never shrinks, since
    /// tables are not taken out.
    links: BTreeMap<usize, (Level, u64)>,
    tables: Vec<[u64; ENTRIES]>,
    /// By first IPA and length of the leaf.
    tlb: Cached,
    /// Stores that no barrier has followed: frame and entry.
    unseen: BTreeSet<(usize, usize)>,
    /// Leaf stores that made something invalid and that no barrier has followed: the range.
    unseen_breaks: Vec<(u64, u64)>,
    invalidations: Vec<Invalidation>,
}

/// Frames, TLB and core in one.
#[derive(Debug, Default)]
pub(crate) struct Walker(RefCell<State>);

impl Walker {
    /// A walker with `count` frames full of garbage, as memory is at boot.
    pub(crate) fn new(count: usize) -> Self {
        Self(RefCell::new(State {
            tables: vec![[0xDEAD_BEEF_DEAD_BEEF; ENTRIES]; count],
            ..State::default()
        }))
    }

    /// The guest runs: from here on the TLB fills and stores are judged.
    pub(crate) fn go_live(&self) {
        let mut state = self.0.borrow_mut();
        state.unseen.clear();
        let State { tables, links, .. } = &mut *state;
        collect_links(tables, (0, Level::One, 0), links);
        state.tlb = reachable(&state.tables);
    }

    /// No translation is left in the TLB that the tables do not have, and every store is visible.
    pub(crate) fn assert_settled(&self) {
        let state = self.0.borrow();
        let now = reachable(&state.tables);
        for (range, descriptor) in &state.tlb {
            assert_eq!(
                now.get(range),
                Some(descriptor),
                "stale translation of {range:x?}"
            );
        }
        assert!(state.unseen.is_empty(), "stores without a barrier");
    }

    /// How often the TLB was invalidated.
    pub(crate) fn invalidations(&self) -> usize {
        self.0.borrow().invalidations.len()
    }
}

/// Every leaf that a walk from frame 0 can end in.
fn reachable(tables: &[[u64; ENTRIES]]) -> Cached {
    let mut leaves = Cached::new();
    collect(tables, 0, Level::One, 0, &mut leaves);
    leaves
}

fn collect(tables: &[[u64; ENTRIES]], frame: usize, level: Level, base: u64, leaves: &mut Cached) {
    for (index, bits) in tables[frame].iter().enumerate() {
        let ipa = base + index as u64 * level.entry_bytes();
        collect_one(tables, *bits, level, ipa, leaves);
    }
}

/// The leaves behind one descriptor of `level` that covers `ipa` and on.
fn collect_one(tables: &[[u64; ENTRIES]], bits: u64, level: Level, ipa: u64, leaves: &mut Cached) {
    match Descriptor::from_bits(bits).entry(level) {
        Entry::Invalid => {}
        Entry::Leaf(..) => {
            leaves.insert((ipa, level.entry_bytes()), bits);
        }
        Entry::Table(table) => {
            collect(
                tables,
                frame_of(table),
                level.below().expect("no tables below level 3"),
                ipa,
                leaves,
            );
        }
        Entry::Malformed => panic!("malformed descriptor {bits:#x} at {level}"),
    }
}

/// Which frames a walk from `frame` passes through, with their level and first address.
fn collect_links(
    tables: &[[u64; ENTRIES]],
    (frame, level, base): (usize, Level, u64),
    links: &mut BTreeMap<usize, (Level, u64)>,
) {
    links.insert(frame, (level, base));
    let Some(below) = level.below() else { return };
    for (index, bits) in tables[frame].iter().enumerate() {
        if let Entry::Table(table) = Descriptor::from_bits(*bits).entry(level) {
            let base = base + index as u64 * level.entry_bytes();
            collect_links(tables, (frame_of(table), below, base), links);
        }
    }
}

impl TableFrames for &Walker {
    fn count(&self) -> usize {
        self.0.borrow().tables.len()
    }

    fn pa(&self, frame: usize) -> Pa {
        Pa::new(BASE + frame as u64 * PAGE_BYTES)
    }

    fn frame_at(&self, pa: Pa) -> Option<usize> {
        let frame = usize::try_from(pa.offset_from(Pa::new(BASE))? / PAGE_BYTES).ok()?;
        (pa.is_aligned(PAGE_BYTES) && frame < self.count()).then_some(frame)
    }

    fn load(&self, frame: usize, entry: usize) -> Descriptor {
        Descriptor::from_bits(self.0.borrow().tables[frame][entry])
    }

    fn store(&self, frame: usize, entry: usize, descriptor: Descriptor) {
        let mut state = self.0.borrow_mut();
        let old = Descriptor::from_bits(state.tables[frame][entry]);
        state.tables[frame][entry] = descriptor.into_bits();
        state.unseen.insert((frame, entry));
        let Some((level, base)) = state.links.get(&frame).copied() else {
            return;
        };
        assert!(
            !old.valid() || !descriptor.valid(),
            "a valid descriptor became another one without a break"
        );
        if let Entry::Table(table) = descriptor.entry(level) {
            // A link may be followed at once: the contents behind it must be visible.
            assert!(
                !state
                    .unseen
                    .iter()
                    .any(|(frame, _)| *frame == frame_of(table)),
                "a table was linked before its contents were visible"
            );
        }
        let ipa = base + entry as u64 * level.entry_bytes();
        if let (Entry::Table(table), Some(below)) = (descriptor.entry(level), level.below()) {
            let State { tables, links, .. } = &mut *state;
            collect_links(tables, (frame_of(table), below, ipa), links);
        }
        if old.valid() {
            state.unseen_breaks.push((ipa, level.entry_bytes()));
        }
        let mut now = Cached::new();
        collect_one(&state.tables, descriptor.into_bits(), level, ipa, &mut now);
        for (range, leaf) in &now {
            let clash = cached_over(&state.tlb, *range).find(|(_, old)| *old != *leaf);
            assert!(
                clash.is_none(),
                "TLB conflict at {range:x?} with {clash:x?}"
            );
        }
        state.tlb.extend(now);
    }
}

/// What the TLB holds of a leaf's range: that leaf, larger ones around it, smaller ones in it.
fn cached_over(tlb: &Cached, (ipa, len): (u64, u64)) -> impl Iterator<Item = ((u64, u64), u64)> {
    let around = SIZES.map(|size| (ipa / size * size, size));
    let around = around.into_iter().filter(move |(_, size)| *size > len);
    let around = around.filter_map(|key| tlb.get_key_value(&key));
    let within = tlb
        .range((ipa, 0)..(ipa + len, 0))
        .filter(move |((_, size), _)| *size <= len);
    around.chain(within).map(|(range, leaf)| (*range, *leaf))
}

const SIZES: [u64; 3] = [PAGE_BYTES, BLOCK_BYTES, GIANT_BYTES];

/// The frame that a link points at.
fn frame_of(table: Pa) -> usize {
    usize::try_from((table.get() - BASE) / PAGE_BYTES).expect("a small number")
}

fn overlap(a: &(u64, u64), b: &(u64, u64)) -> bool {
    a.0 < b.0 + b.1 && b.0 < a.0 + a.1
}

impl Machine for &Walker {
    fn barrier(&mut self) {
        let mut state = self.0.borrow_mut();
        state.unseen.clear();
        state.unseen_breaks.clear();
    }

    fn invalidate(&mut self, invalidation: Invalidation) {
        let mut state = self.0.borrow_mut();
        let range = (invalidation.ipa.get(), invalidation.len_bytes);
        assert!(invalidation.count() > 0);
        assert!(
            !state
                .unseen_breaks
                .iter()
                .any(|broken| overlap(broken, &range)),
            "invalidated before the break was visible: a walker may load it again"
        );
        // One operation by address removes the entries that the address hits, no others.
        for address in invalidation.addresses() {
            for size in SIZES {
                state.tlb.remove(&(address.get() / size * size, size));
            }
        }
        state.invalidations.push(invalidation);
    }
}
