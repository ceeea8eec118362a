//! A guest without a driver: it writes what it likes to its control page.

use std::sync::atomic::Ordering;

use unimux_abi::{command, control, doorbell, response};
use unimux_driver::DmaBlock;

use crate::{Guest, World};

/// A control page and a doorbell page, with nothing in between that would check anything.
#[derive(Debug)]
pub struct RawFunction {
    page: DmaBlock,
    guest: Guest,
    posted: u32,
    taken: u32,
    rings: u64,
}

impl RawFunction {
    /// Attaches `guest` with a page of its own.
    ///
    /// # Panics
    ///
    /// If the firmware does not attach it.
    #[must_use]
    pub fn attach(world: &World, guest: &Guest) -> Self {
        let page = guest.ram.take(control::PAGE_BYTES);
        drop(world.attach_at(guest, page).expect("attach"));
        Self {
            page,
            guest: guest.clone(),
            posted: 0,
            taken: 0,
            rings: 1 << 63,
        }
    }

    /// Writes a command, whatever it is, with the phase that is due.
    pub fn post(&mut self, mut words: [u64; command::WORDS]) {
        let entries = control::RING_ENTRIES;
        words[0] = words[0] & !1 | u64::from(self.posted & entries == 0);
        let at = control::COMMANDS / 8 + u64::from(self.posted % entries) * 8;
        for i in [1, 2, 3, 4, 5, 6, 7, 0] {
            self.page.words()[at as usize + i].store(words[i], Ordering::Release);
        }
        self.posted = self.posted.wrapping_add(1);
    }

    /// Rings for queues, with a value that was not there before.
    pub fn ring_for_queues(&mut self) {
        self.rings += 1;
        self.guest.doorbell[(doorbell::RING / 8) as usize].store(self.rings, Ordering::Release);
    }

    /// Rings for commands, with a value that was not there before.
    pub fn ring(&mut self) {
        self.rings += 1;
        self.guest.doorbell[(doorbell::COMMANDS / 8) as usize].store(self.rings, Ordering::Release);
    }

    /// Takes the next response, if there is one.
    pub fn take(&mut self) -> Option<response::Entry> {
        let entries = control::RING_ENTRIES;
        let at = (control::RESPONSES / 8 + u64::from(self.taken % entries) * 4) as usize;
        let words = self.page.words();
        let entry = response::Entry(std::array::from_fn(|i| {
            words[at + i].load(Ordering::Acquire)
        }));
        if entry.head().phase() != (self.taken & entries == 0) {
            return None;
        }
        self.taken = self.taken.wrapping_add(1);
        words[(control::RESPONSE_CONSUMER / 8) as usize]
            .store(u64::from(self.taken), Ordering::Release);
        Some(entry)
    }

    /// The control page.
    #[must_use]
    pub const fn page(&self) -> DmaBlock {
        self.page
    }
}
