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
}

/// What is left of a command that was taken and cannot be answered yet.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unfinished {
    /// Wait until all copies before the mark are reaped; then it is done.
    Fence(u64),
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

/// A function, with what the firmware remembers of it.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) serving: Serving,
    pub(crate) windows: Windows,
    pub(crate) doorbell: Span,
    /// The ring word of the doorbell page.
    pub(crate) ring: &'static AtomicU64,
    pub(crate) quota: Quota,
    pub(crate) partition: u16,
    pub(crate) attention: Attention,
    pub(crate) control: Option<Control>,
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
        let ring = doorbell
            .word(doorbell::RING)
            .expect("the doorbell is an aligned page");
        let mut function = Self {
            serving: Serving::Given,
            windows,
            doorbell,
            ring,
            quota,
            partition,
            attention: Attention::default(),
            control: None,
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
            + usize::from(self.quota.qps) * size_of::<Request>()
            + self.regions.held_bytes()
            + self.pages.held_bytes()
            + self.doorbell.len_bytes() as usize;
        self.count(Counter::HeldBytes, held as u64);
    }
}
