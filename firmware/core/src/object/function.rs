//! A function: what one guest has of the engine.

use alloc::boxed::Box;
use core::fmt;
use core::sync::atomic::AtomicU64;

use unimux_abi::counters::{self, Counter};
use unimux_abi::{command, doorbell, response};
use unimux_memory::{Ipa, Span, Windows};
use unimux_ring::{Consumer, Producer};

use super::{CompletionQueue, Keys, PageRun, Pages, QueuePair, Regions, Request, Table};
use crate::doorbell::Attention;

/// Names a function, on the whole node. Its number is what guests call each other by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FunctionId(pub(crate) u16);

impl FunctionId {
    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for FunctionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "function {}", self.0)
    }
}

/// How many objects a function may have. All memory for them is taken when it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Protection domains.
    pub pds: u16,
    /// Completion queues.
    pub cqs: u16,
    /// Queue pairs, at most 64.
    pub qps: u16,
    /// Memory regions.
    pub mrs: u16,
    /// Entries of all page lists together.
    pub pages: u32,
}

impl Quota {
    /// Nothing at all.
    pub(crate) const NONE: Self = Self {
        pds: 0,
        cqs: 0,
        qps: 0,
        mrs: 0,
        pages: 0,
    };

    /// Whether `room` is enough for it.
    pub(crate) const fn fits(&self, room: &Self) -> bool {
        self.pds <= room.pds
            && self.cqs <= room.cqs
            && self.qps <= room.qps
            && self.mrs <= room.mrs
            && self.pages <= room.pages
    }
}

impl Default for Quota {
    fn default() -> Self {
        Self {
            pds: 8,
            cqs: 16,
            qps: 16,
            mrs: 64,
            pages: 1024,
        }
    }
}

/// What a function is made of.
#[derive(Debug)]
pub struct FunctionConfig {
    /// The memory that its guest may name.
    pub windows: Windows,
    /// Its doorbell page: 4 KiB, which the guest may be mapped to.
    pub doorbell: Span,
    /// How many objects it may have.
    pub quota: Quota,
    /// Only functions of the same partition can name each other (as a P_Key, IBTA 10.9).
    pub partition: u16,
    /// Its share of the engine relative to others'; at least one.
    pub weight: u16,
}

/// Where a function is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Serving {
    /// Nobody has it.
    Free,
    /// A guest has it and has not attached yet.
    Given,
    /// Its guest has told where the control page is.
    Attached,
    /// Its guest broke the rules of its own rings: nothing is served until it is taken back.
    Stopped,
    /// It is being taken back; free when all copies before this mark are reaped.
    Leaving(u64),
}

/// The control page of an attached function.
#[derive(Debug)]
pub(crate) struct Control {
    pub(crate) page: Span,
    pub(crate) commands: Consumer<'static, { command::WORDS }>,
    pub(crate) responses: Producer<'static, { response::WORDS }>,
    /// Whether events came since it was looked whether the guest sleeps until they do.
    pub(crate) has_events: bool,
    /// The arm word for events that was answered with an interrupt last.
    pub(crate) answered_arm: u64,
}

/// What is left of a command that was taken and cannot be answered yet.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unfinished {
    /// Wait until all copies before the mark are reaped; then it is done.
    Fence(u64),
    /// Wait until a tenant's function is taken back.
    TakeBack { tenant: usize },
    /// Let a tenant name pages of a list, a few a turn.
    Grant(GrantPages),
    /// Take them away again, a few a turn; then refuse.
    Ungrant(GrantPages, response::Status),
    /// Wait until nothing of a queue pair is in flight; then end it, or begin it anew.
    Quiesce { qp: u16, then_reset: bool },
    /// Copy a page list, a few entries a turn.
    Pages(RegisterPages),
}

/// A page list that is being copied.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RegisterPages {
    pub(crate) pd: u16,
    pub(crate) access: command::Access,
    pub(crate) iova: u64,
    pub(crate) len_bytes: u64,
    pub(crate) shift: u8,
    pub(crate) list: Ipa,
    pub(crate) run: PageRun,
    pub(crate) count: u64,
    pub(crate) copied: u64,
}

/// Pages of the host that a tenant is being let name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GrantPages {
    pub(crate) tenant: usize,
    pub(crate) ipa: Ipa,
    pub(crate) shift: u32,
    pub(crate) list: Span,
    pub(crate) granted: u64,
}

/// A function, with what the firmware remembers of it.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) serving: Serving,
    /// Whether its guest can attach again once it is taken back.
    pub(crate) comes_back: bool,
    pub(crate) windows: Windows,
    pub(crate) doorbell: Span,
    /// The ring word of the doorbell page.
    pub(crate) ring: &'static AtomicU64,
    /// The commands word.
    pub(crate) commands: &'static AtomicU64,
    pub(crate) quota: Quota,
    pub(crate) partition: u16,
    pub(crate) attention: Attention,
    pub(crate) control: Option<Control>,
    /// The control word of the doorbell page when it was attached.
    pub(crate) attached_by: u64,
    /// The tag of a command that was taken and not answered yet, and what is left of it.
    pub(crate) unfinished: Option<(u16, Unfinished)>,
    /// Protection domains, each with the number of its users.
    pub(crate) pds: Table<u32>,
    pub(crate) cqs: Table<CompletionQueue>,
    pub(crate) qps: Table<QueuePair>,
    pub(crate) regions: Regions,
    pub(crate) pages: Pages,
    pub(crate) keys: Keys,
    counters: Box<[u64; counters::COUNT]>,
}

impl Function {
    pub(crate) fn new(config: FunctionConfig, keys: Keys) -> Self {
        let FunctionConfig {
            windows,
            doorbell,
            quota,
            partition,
            weight: _,
        } = config;
        let [ring, commands] = words_of(doorbell);
        let mut function = Self {
            serving: Serving::Given,
            comes_back: false,
            windows,
            doorbell,
            ring,
            commands,
            quota,
            partition,
            attention: Attention::default(),
            control: None,
            attached_by: 0,
            unfinished: None,
            pds: Table::new(quota.pds),
            cqs: Table::new(quota.cqs),
            qps: Table::new(quota.qps),
            regions: Regions::new(quota.mrs),
            pages: Pages::new(quota.pages),
            keys,
            counters: Box::new([0; counters::COUNT]),
        };
        function.reset_counters();
        function
    }

    /// Rings at another page from now on; nobody has the function.
    pub(crate) fn set_doorbell(&mut self, doorbell: Span) {
        [self.ring, self.commands] = words_of(doorbell);
        self.doorbell = doorbell;
    }

    /// Lets its next guest have so many objects; no more than there is room for.
    pub(crate) fn set_quota(&mut self, quota: Quota) {
        self.quota = quota;
        self.pds.set_quota(quota.pds);
        self.cqs.set_quota(quota.cqs);
        self.qps.set_quota(quota.qps);
        self.regions.set_quota(quota.mrs);
        self.pages.set_quota(quota.pages);
    }

    /// Forgets everything that the guest made; its places and its memory stay.
    pub(crate) fn forget(&mut self) {
        self.attention = Attention::default();
        self.control = None;
        self.unfinished = None;
        self.pds.clear();
        self.cqs.clear();
        self.qps.clear();
        self.regions.clear();
        self.pages.clear();
        self.reset_counters();
    }

    /// Whether requests may touch it.
    pub(crate) fn is_attached(&self) -> bool {
        self.serving == Serving::Attached
    }

    pub(crate) fn count(&mut self, counter: Counter, amount: u64) {
        let value = &mut self.counters[counter as usize];
        *value = value.wrapping_add(amount);
    }

    pub(crate) fn counters(&self) -> &[u64; counters::COUNT] {
        &self.counters
    }

    /// Objects and page entries in use: zero when nothing leaks.
    pub(crate) fn in_use(&self) -> usize {
        self.pds.iter().count()
            + self.cqs.iter().count()
            + self.qps.iter().count()
            + self.regions.used()
            + self.pages.taken()
    }

    fn reset_counters(&mut self) {
        *self.counters = [0; counters::COUNT];
        let held = size_of::<Self>()
            + size_of_val(&*self.counters)
            + self.pds.held_bytes()
            + self.cqs.held_bytes()
            + self.qps.held_bytes()
            + self.qps.places() * size_of::<Request>()
            + self.regions.held_bytes()
            + self.pages.held_bytes()
            + self.doorbell.len_bytes() as usize;
        self.count(Counter::HeldBytes, held as u64);
    }
}

/// The ring word and the commands word of a doorbell page.
fn words_of(doorbell: Span) -> [&'static AtomicU64; 2] {
    [doorbell::RING, doorbell::COMMANDS]
        .map(|at| doorbell.word(at).expect("the doorbell is an aligned page"))
}
