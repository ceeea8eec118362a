//! A world of one thread: the firmware makes a round whenever somebody waits.
//!
//! Nothing here depends on the host's speed; the same test does the same every time.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use unimux_abi::counters::Counter;
use unimux_driver::{Device, DmaBlock, Error, Platform};
use unimux_firmware::{Firmware, FunctionConfig, FunctionId, Progress, Quota};

use crate::host::HostMemory;
use crate::{FailingEngine, Guest, Machine, RAM_BYTES, new_guest};

/// Time that passes with every round.
const ROUND_NS: u64 = 1_000;

struct Inner {
    firmware: Firmware<FailingEngine>,
    machine: Machine,
    rounds: u64,
    /// The firmware reaches their memory for as long as it is there.
    guests: Vec<Guest>,
}

impl Inner {
    fn round(&mut self) -> Progress {
        self.machine.now_ns += ROUND_NS;
        self.rounds += 1;
        self.firmware.round(&mut self.machine)
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "world after {} rounds", self.rounds_so_far())
    }
}

/// Firmware, an engine with switches, and time; clones are the same world.
#[derive(Clone)]
pub struct World {
    inner: Rc<RefCell<Inner>>,
    engine: FailingEngine,
}

impl Default for World {
    fn default() -> Self {
        Self::new([42; 32])
    }
}

impl World {
    /// A world whose keys grow from `seed`.
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Self {
        let engine = FailingEngine::default();
        Self {
            inner: Rc::new(RefCell::new(Inner {
                firmware: Firmware::new(engine.clone(), seed),
                machine: Machine::default(),
                rounds: 0,
                guests: Vec::new(),
            })),
            engine,
        }
    }

    /// The engine's switches.
    #[must_use]
    pub const fn engine(&self) -> &FailingEngine {
        &self.engine
    }

    /// A guest with the usual RAM and quota.
    #[must_use]
    pub fn guest(&self) -> (Guest, FunctionId) {
        self.guest_with(RAM_BYTES, Quota::default(), |_| ())
    }

    /// A guest with `ram_bytes` of RAM and `quota`; `change` changes the rest.
    ///
    /// # Panics
    ///
    /// If the firmware refuses it.
    #[must_use]
    pub fn guest_with(
        &self,
        ram_bytes: u64,
        quota: Quota,
        change: impl FnOnce(&mut FunctionConfig),
    ) -> (Guest, FunctionId) {
        let (guest, mut config) = new_guest(ram_bytes, quota);
        change(&mut config);
        let mut inner = self.inner.borrow_mut();
        let id = inner.firmware.add_function(config);
        inner.guests.push(guest.clone());
        (guest, id.expect("the firmware takes the function"))
    }

    /// What a guest's driver runs on.
    #[must_use]
    pub fn platform(&self, guest: &Guest) -> Stepped {
        self.platform_at(guest.doorbell)
    }

    /// What a driver runs on that rings at the page `doorbell`.
    #[must_use]
    pub fn platform_at(&self, doorbell: &'static [AtomicU64]) -> Stepped {
        Stepped {
            world: self.clone(),
            doorbell,
        }
    }

    /// Makes the machine one with a host of virtual machines.
    pub fn set_host(&self, host: HostMemory) {
        self.inner.borrow_mut().machine.host = Some(host);
    }

    /// Attaches a guest's driver, with the control page at the first free page of its RAM.
    ///
    /// # Errors
    ///
    /// As [`Device::attach`].
    pub fn attach(&self, guest: &Guest) -> Result<Device<Stepped>, Error> {
        let page = guest.ram.take(unimux_abi::control::PAGE_BYTES);
        self.attach_at(guest, page)
    }

    /// Attaches a guest's driver with `page` as its control page.
    ///
    /// # Errors
    ///
    /// As [`Device::attach`].
    pub fn attach_at(&self, guest: &Guest, page: DmaBlock) -> Result<Device<Stepped>, Error> {
        Device::attach(self.platform(guest), page)
    }

    /// Takes a function back and gives it out again; its guest's RAM is as it was.
    ///
    /// # Panics
    ///
    /// If it is not free after a million rounds.
    pub fn take_back(&self, function: FunctionId) {
        self.firmware(|firmware| firmware.begin_take_back(function));
        for _ in 0..1_000_000 {
            if self.firmware(|firmware| firmware.is_free(function)) {
                assert!(self.firmware(|firmware| firmware.give(function)));
                return;
            }
            let _: Progress = self.round();
        }
        panic!("the function is not free");
    }

    /// One round of the firmware.
    pub fn round(&self) -> Progress {
        self.inner.borrow_mut().round()
    }

    /// Rounds until the firmware is idle, at most a million.
    ///
    /// # Panics
    ///
    /// If it never is.
    pub fn settle(&self) {
        for _ in 0..1_000_000 {
            if self.round() == Progress::Idle {
                return;
            }
        }
        panic!("the firmware does not come to rest");
    }

    /// `rounds` rounds.
    pub fn rounds(&self, rounds: u64) {
        for _ in 0..rounds {
            let _: Progress = self.round();
        }
    }

    /// How many rounds there were.
    #[must_use]
    pub fn rounds_so_far(&self) -> u64 {
        self.inner.borrow().rounds
    }

    /// Lets time pass without a round.
    pub fn pass_ns(&self, ns: u64) {
        self.inner.borrow_mut().machine.now_ns += ns;
    }

    /// Interrupts that a function's guest got.
    #[must_use]
    pub fn interrupts(&self, function: FunctionId) -> u64 {
        self.inner.borrow().machine.interrupts(function)
    }

    /// A counter of a function, as the firmware has it.
    #[must_use]
    pub fn counter(&self, function: FunctionId, counter: Counter) -> u64 {
        self.inner.borrow().firmware.counter(function, counter)
    }

    /// Objects that a function holds.
    #[must_use]
    pub fn in_use(&self, function: FunctionId) -> usize {
        self.inner.borrow().firmware.in_use(function)
    }

    /// Does something with the firmware itself.
    pub fn firmware<T>(&self, work: impl FnOnce(&mut Firmware<FailingEngine>) -> T) -> T {
        work(&mut self.inner.borrow_mut().firmware)
    }
}

/// A guest's end of a [`World`]: waiting makes a round.
#[derive(Clone, Debug)]
pub struct Stepped {
    world: World,
    doorbell: &'static [AtomicU64],
}

impl Stepped {
    /// The world.
    #[must_use]
    pub const fn world(&self) -> &World {
        &self.world
    }
}

impl Platform for Stepped {
    fn store_to_doorbell(&self, offset_bytes: u64, value: u64) {
        self.doorbell[(offset_bytes / 8) as usize].store(value, Ordering::Release);
    }

    fn now_ns(&self) -> u64 {
        self.world.inner.borrow().machine.now_ns
    }

    fn relax(&self) {
        let _: Progress = self.world.round();
    }
}
