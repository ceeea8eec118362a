//! The physical function's verbs: what the agent on a host of virtual machines calls.
//!
//! It finds no frames and maps nothing: the agent reads them from its kernel and maps the region.
//! The region is device memory for the host: everything here loads and stores aligned words.

use core::sync::atomic::Ordering;

use unimux_abi::command::Opcode;
use unimux_abi::counters::COUNT;
use unimux_abi::physical::{
    CONTROL_PAGES, DOORBELL, LISTS, LISTS_BYTES, Limits, MAX_LIST_PAGES, MAX_LIST_RECORDS, Objects,
    PAGE_SHIFTS, QUERY_COUNTERS, QUERY_LIMITS, RECORD_BYTES, RECORD_WORDS, REGION_BYTES, Record,
    TABLES, TABLES_BYTES,
};
use unimux_abi::{control, doorbell};

use crate::{Counters, Device, DmaBlock, Error, Event, Platform};

/// How long an agent waits for what the one before it has begun: as long as it takes to look.
const SETTLE_NS: u64 = 100_000_000;

/// A function that is to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewFunction {
    /// The PA of its doorbell page: 4 KiB of the host's RAM.
    pub doorbell: u64,
    /// Only functions of the same partition can name each other.
    pub partition: u16,
    /// Its share of the engine relative to others'; at least one.
    pub weight: u16,
    /// How many objects it may have.
    pub objects: Objects,
    /// How many page entries it may have.
    pub pages: u32,
    /// The agent's own name for it, which lists and events give back.
    pub cookie: u64,
}

/// What the firmware tells of one function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FunctionReport {
    /// What a list tells.
    pub record: Record,
    /// How fast it may go.
    pub limits: Limits,
    /// Its counters.
    pub counters: Counters,
}

/// The attached physical function.
#[derive(Debug)]
pub struct PhysicalFunction<P> {
    device: Device<P>,
    lists: DmaBlock,
    tables: DmaBlock,
}

impl<P: Platform> PhysicalFunction<P> {
    /// Attaches the physical function whose region is `region`, which names its words by PA;
    /// `platform` stores to the doorbell page at its beginning. An agent that died is replaced:
    /// what it had begun is carried out, and [`list`](Self::list) tells what there is.
    ///
    /// # Errors
    ///
    /// As [`Device::attach`]; [`Error::BlockTooSmall`] if the region is too small.
    pub fn attach(platform: P, region: DmaBlock) -> Result<Self, Error> {
        Self::attach_within(platform, region, crate::DEFAULT_TIMEOUT_NS)
    }

    /// As [`attach`](Self::attach), and every wait is `timeout_ns` at most.
    ///
    /// # Errors
    ///
    /// As [`attach`](Self::attach).
    pub fn attach_within(platform: P, region: DmaBlock, timeout_ns: u64) -> Result<Self, Error> {
        region.expect_aligned(doorbell::PAGE_BYTES)?;
        let region = region.part(0, REGION_BYTES)?;
        let page = unused_page(&platform, region)?;
        Ok(Self {
            device: Device::attach_within(platform, page, timeout_ns)?,
            lists: region.part(LISTS, LISTS_BYTES)?,
            tables: region.part(TABLES, TABLES_BYTES)?,
        })
    }

    /// Sets how long a verb waits for its answer, in nanoseconds.
    pub const fn set_timeout_ns(&mut self, timeout_ns: u64) {
        self.device.set_timeout_ns(timeout_ns);
    }

    /// Makes a function, closed and without memory; gives its number.
    ///
    /// # Errors
    ///
    /// As any verb (see [`Device::nop`]).
    pub fn create(&mut self, new: &NewFunction) -> Result<u16, Error> {
        let share = u64::from(new.partition) | u64::from(new.weight) << 16;
        let (objects, pages) = (new.objects.into_bits(), u64::from(new.pages));
        let arguments = [new.doorbell, share, objects, pages, new.cookie];
        let result = self.call(Opcode::CreateFunction, &arguments)?;
        u16::try_from(result).map_err(|_| Error::BrokenResult(result))
    }

    /// Lets the tenant name the `len_bytes` bytes at `pa` by the IPAs from `ipa` on: all multiples
    /// of 4 KiB.
    ///
    /// # Errors
    ///
    /// As any verb (see [`Device::nop`]).
    pub fn grant_window(
        &mut self,
        function: u16,
        ipa: u64,
        pa: u64,
        len_bytes: u64,
    ) -> Result<(), Error> {
        let arguments = [u64::from(function), ipa, pa, len_bytes];
        self.call(Opcode::GrantWindow, &arguments).map(drop)
    }

    /// Lets the tenant name `pages`, each of `1 << shift` bytes (4 KiB or 2 MiB), by the IPAs from
    /// `ipa` on.
    ///
    /// # Errors
    ///
    /// As any verb (see [`Device::nop`]). Pages before the one that is to blame stay granted if the
    /// function was opened already, or if there are more than a list has room for: destroy it then.
    ///
    /// # Panics
    ///
    /// If `shift` is neither 12 nor 21.
    pub fn grant_pages(
        &mut self,
        function: u16,
        ipa: u64,
        shift: u32,
        pages: &[u64],
    ) -> Result<(), Error> {
        assert!(PAGE_SHIFTS.contains(&shift), "pages of 4 KiB or 2 MiB");
        let mut ipa = ipa;
        let mut pages = pages;
        while !pages.is_empty() {
            let (now, later) = pages.split_at(pages.len().min(MAX_LIST_PAGES as usize));
            for (word, page) in self.lists.words().iter().zip(now) {
                word.store(*page, Ordering::Relaxed);
            }
            let count = now.len() as u64;
            let shape = count | u64::from(shift) << 32;
            let arguments = [u64::from(function), ipa, self.lists.ipa(), shape];
            self.call(Opcode::GrantPages, &arguments)?;
            ipa = ipa.wrapping_add(count << shift);
            pages = later;
        }
        Ok(())
    }

    /// Lets the tenant attach.
    ///
    /// # Errors
    ///
    /// As any verb (see [`Device::nop`]).
    pub fn open(&mut self, function: u16) -> Result<(), Error> {
        self.of(Opcode::OpenFunction, function)
    }

    /// Takes a function back and opens it again: nothing of the tenant's is in flight when this
    /// returns.
    ///
    /// # Errors
    ///
    /// As any verb (see [`Device::nop`]).
    pub fn reset(&mut self, function: u16) -> Result<(), Error> {
        self.of(Opcode::ResetFunction, function)
    }

    /// Ends a function: its memory is touched no more when this returns.
    ///
    /// # Errors
    ///
    /// As any verb (see [`Device::nop`]). After [`Error::Timeout`] its memory may still be written.
    pub fn destroy(&mut self, function: u16) -> Result<(), Error> {
        self.of(Opcode::DestroyFunction, function)
    }

    /// Sets a function's share and how fast it may go.
    ///
    /// # Errors
    ///
    /// As any verb (see [`Device::nop`]).
    pub fn set_limits(&mut self, function: u16, weight: u16, limits: Limits) -> Result<(), Error> {
        let arguments = [
            u64::from(function),
            u64::from(weight),
            limits.bytes_per_second,
            limits.requests_per_second,
        ];
        self.call(Opcode::SetLimits, &arguments).map(drop)
    }

    /// Asks after a function.
    ///
    /// # Errors
    ///
    /// As any verb (see [`Device::nop`]); [`Error::BrokenResult`] if the record makes no sense.
    pub fn query(&mut self, function: u16) -> Result<FunctionReport, Error> {
        let arguments = [u64::from(function), self.tables.ipa()];
        self.call(Opcode::QueryFunction, &arguments)?;
        let [bytes_per_second, requests_per_second] = self.words(QUERY_LIMITS);
        Ok(FunctionReport {
            record: self.record(0)?,
            limits: Limits {
                bytes_per_second,
                requests_per_second,
            },
            counters: Counters(self.words::<COUNT>(QUERY_COUNTERS)),
        })
    }

    /// Shows `visit` every function that an agent has made and none has destroyed.
    ///
    /// # Errors
    ///
    /// As any verb (see [`Device::nop`]); [`Error::BrokenResult`] if a record makes no sense.
    pub fn list(&mut self, mut visit: impl FnMut(&Record)) -> Result<(), Error> {
        let arguments = [self.tables.ipa(), MAX_LIST_RECORDS];
        let count = self.call(Opcode::ListFunctions, &arguments)?;
        for index in 0..count.min(MAX_LIST_RECORDS) {
            visit(&self.record(index * RECORD_BYTES)?);
        }
        Ok(())
    }

    /// The oldest event that was not asked for yet.
    ///
    /// # Errors
    ///
    /// As [`Device::poll_event`].
    pub fn poll_event(&mut self) -> Result<Option<Event>, Error> {
        self.device.poll_event()
    }

    /// Has the firmware tell events that it kept because there was no room for them: it does not
    /// look by itself whether there is some again.
    pub fn make_tell(&mut self) {
        self.device.ring();
    }

    /// As [`Device::lost_events`].
    #[must_use]
    pub const fn lost_events(&self) -> u64 {
        self.device.lost_events()
    }

    /// A command as it is: for tests, and for firmware newer than this driver.
    ///
    /// # Errors
    ///
    /// As any verb (see [`Device::nop`]).
    pub fn command(&mut self, opcode: Opcode, arguments: [u64; 7]) -> Result<u64, Error> {
        self.device.command(opcode, arguments)
    }

    fn call(&mut self, opcode: Opcode, arguments: &[u64]) -> Result<u64, Error> {
        let mut all = [0; 7];
        all[..arguments.len()].copy_from_slice(arguments);
        self.device.command(opcode, all)
    }

    fn of(&mut self, opcode: Opcode, function: u16) -> Result<(), Error> {
        self.call(opcode, &[u64::from(function)]).map(drop)
    }

    /// The words at `offset_bytes` of the tables.
    fn words<const N: usize>(&self, offset_bytes: u64) -> [u64; N] {
        let words = self.tables.words();
        // The answer was loaded with acquire order: what was written before it is here.
        core::array::from_fn(|i| words[(offset_bytes / 8) as usize + i].load(Ordering::Relaxed))
    }

    fn record(&self, offset_bytes: u64) -> Result<Record, Error> {
        let words = self.words::<RECORD_WORDS>(offset_bytes);
        Record::from_words(words).ok_or(Error::BrokenResult(words[0]))
    }
}

/// The control page that the firmware does not use.
///
/// The control word names the one that it uses, once it has looked at what an agent stored there
/// last; an agent may have died before it rang.
fn unused_page<P: Platform>(platform: &P, region: DmaBlock) -> Result<DmaBlock, Error> {
    let page = |index: usize| region.part(CONTROL_PAGES[index], control::PAGE_BYTES);
    let word = |offset: u64| &region.words()[((DOORBELL + offset) / 8) as usize];
    let named = word(doorbell::CONTROL).load(Ordering::Acquire);
    let (first, second) = (page(0)?, page(1)?);
    let (used, unused) = match named {
        _ if named == first.ipa() => (first, second),
        _ if named == second.ipa() => (second, first),
        _ => return Ok(first),
    };
    let answer = &used.words()[(control::ANSWER / 8) as usize];
    let rung = word(doorbell::COMMANDS).load(Ordering::Relaxed);
    platform.store_to_doorbell(doorbell::COMMANDS, rung.wrapping_add(1));
    let began = platform.now_ns();
    while answer.load(Ordering::Acquire) == 0 && platform.now_ns().saturating_sub(began) < SETTLE_NS
    {
        platform.relax();
    }
    Ok(unused)
}
