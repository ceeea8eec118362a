//! A host of virtual machines on the host: its RAM, the physical function's region, its tenants.
//!
//! The host's memory is one buffer, by 4 KiB frames; a tenant has frames of it, and its doorbell
//! page is another one of them.
// UNSAFETY: test memory is granted to the host.
#![expect(unsafe_code, reason = "test memory is granted")]

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use unimux_abi::physical::{DOORBELL, REGION_BYTES};
use unimux_driver::{Device, DmaBlock, Error, NewFunction, Objects, PhysicalFunction, Platform};
use unimux_firmware::{FunctionId, Host, Note, PhysicalConfig, Quota};
use unimux_memory::{Ipa, Pa, Span, Windows};

use crate::ram::{Lease, pa_of};
use crate::{Guest, RAM_IPA, Ram, Stepped, World};

/// Bytes of a frame.
pub const FRAME: u64 = 4096;
/// Frames of the host's RAM, unless a test says otherwise.
pub const FRAMES: u64 = 2048;
/// Windows that a tenant may have.
pub const WINDOWS: usize = 64;

/// The host's memory as the machine answers for it.
#[derive(Debug)]
pub struct HostMemory {
    /// All of it, each byte by its own PA.
    ram: Windows,
    /// Doorbell pages that are mapped.
    mapped: Vec<(FunctionId, Pa)>,
    notes: Rc<RefCell<Vec<Note>>>,
}

impl Host for HostMemory {
    fn ram(&self, pa: Pa, len_bytes: u64) -> Option<Span> {
        self.ram.translate(Ipa::new(pa.get()), len_bytes).ok()
    }

    fn map_doorbell(&mut self, function: FunctionId, pa: Pa) -> Option<Span> {
        let page = self.ram(pa, FRAME)?;
        assert!(
            self.mapped
                .iter()
                .all(|&(id, at)| id != function && at != pa)
        );
        self.mapped.push((function, pa));
        Some(page)
    }

    fn unmap_doorbell(&mut self, function: FunctionId) {
        let before = self.mapped.len();
        self.mapped.retain(|(id, _)| *id != function);
        assert_eq!(self.mapped.len() + 1, before, "it was mapped");
    }

    fn note(&mut self, note: Note) {
        self.notes.borrow_mut().push(note);
    }
}

/// A world with a host in it.
#[derive(Clone, Debug)]
pub struct HostWorld {
    /// The world.
    pub world: World,
    /// The physical function.
    pub id: FunctionId,
    region: &'static [AtomicU64],
    ram: &'static [AtomicU64],
    lives: Rc<std::cell::Cell<u64>>,
    notes: Rc<RefCell<Vec<Note>>>,
    _leases: Rc<[Lease; 2]>,
}

impl HostWorld {
    /// A world whose physical function has `tenants` functions to give.
    ///
    /// # Panics
    ///
    /// If the firmware refuses.
    #[must_use]
    pub fn new(tenants: u16) -> Self {
        Self::in_world(World::default(), tenants, FRAMES)
    }

    /// The same in `world`, which may have guests, with `frames` frames of RAM.
    ///
    /// # Panics
    ///
    /// If the firmware refuses.
    #[must_use]
    pub fn in_world(world: World, tenants: u16, frames: u64) -> Self {
        let leases = [
            Lease::take(REGION_BYTES, FRAME),
            Lease::take(frames * FRAME, 1 << 21),
        ];
        let [region, ram] = leases.each_ref().map(Lease::words);
        let identity = |words: &'static [AtomicU64]| {
            let pa = pa_of(words);
            let mut windows = Windows::with_capacity(1);
            // SAFETY: the buffer is leaked, exposed, and reached by atomics only.
            unsafe { windows.grant(Ipa::new(pa.get()), pa, words.len() as u64 * 8) }
                .expect("one window overlaps nothing");
            windows
        };
        let whole = Ipa::new(pa_of(region).get());
        let config = PhysicalConfig {
            region: (identity(region).translate(whole, REGION_BYTES)).expect("just granted"),
            tenants,
            quota: Quota::default(),
            windows: WINDOWS,
        };
        let id = world.firmware(|firmware| firmware.add_physical_function(config));
        let notes = Rc::default();
        world.set_host(HostMemory {
            ram: identity(ram),
            mapped: Vec::new(),
            notes: Rc::clone(&notes),
        });
        Self {
            world,
            id: id.expect("the region is as it should be"),
            region,
            ram,
            lives: Rc::default(),
            notes,
            _leases: Rc::new(leases),
        }
    }

    /// What the log has said so far, and says no more.
    #[must_use]
    pub fn notes(&self) -> Vec<Note> {
        self.notes.take()
    }

    /// The region, as the host's agent maps it.
    #[must_use]
    pub fn region(&self) -> DmaBlock {
        DmaBlock::new(self.region, pa_of(self.region).get())
    }

    /// What the agent's driver runs on.
    #[must_use]
    pub fn platform(&self) -> Stepped {
        let page = &self.region[(DOORBELL / 8) as usize..][..512];
        self.world.platform_at(page)
    }

    /// An agent that has attached.
    ///
    /// # Panics
    ///
    /// If the firmware does not answer.
    #[must_use]
    pub fn agent(&self) -> PhysicalFunction<Stepped> {
        PhysicalFunction::attach(self.platform(), self.region()).expect("attach")
    }

    /// The PA of a frame of the host's, whether there is one or not.
    #[must_use]
    pub fn frame(&self, frame: u64) -> u64 {
        pa_of(self.ram).get() + frame * FRAME
    }

    /// The words of `count` frames from `first` on.
    #[must_use]
    pub fn words(&self, first: u64, count: u64) -> &'static [AtomicU64] {
        &self.ram[(first * FRAME / 8) as usize..][..(count * FRAME / 8) as usize]
    }

    /// Fills `count` frames from `first` on with words that nothing else writes.
    pub fn mark(&self, first: u64, count: u64) {
        for word in self.words(first, count) {
            word.store(MARK, Ordering::Relaxed);
        }
    }

    /// Whether all that was marked is still as it was.
    #[must_use]
    pub fn is_marked(&self, first: u64, count: u64) -> bool {
        let mut words = self.words(first, count).iter();
        words.all(|word| word.load(Ordering::Relaxed) == MARK)
    }

    /// A virtual machine: its doorbell page at frame `first`, its RAM in the `count` frames after
    /// it. The firmware knows nothing of it.
    #[must_use]
    pub fn machine(&self, first: u64, count: u64) -> Guest {
        for word in self.words(first, count + 1) {
            word.store(0, Ordering::Relaxed);
        }
        Guest {
            ram: Ram::over(self.words(first + 1, count)),
            doorbell: self.words(first, 1),
        }
    }

    /// A function with the usual quota for a machine whose doorbell page is frame `doorbell`.
    #[must_use]
    pub fn new_function(&self, doorbell: u64) -> NewFunction {
        self.lives.set(self.lives.get() + 1);
        let quota = Quota::default();
        NewFunction {
            doorbell: self.frame(doorbell),
            partition: 0,
            weight: 1,
            objects: Objects::new()
                .with_pds(quota.pds)
                .with_cqs(quota.cqs)
                .with_qps(quota.qps)
                .with_mrs(quota.mrs),
            pages: quota.pages,
            cookie: self.lives.get(),
        }
    }

    /// A virtual machine, and its function, open.
    ///
    /// # Errors
    ///
    /// As the agent's verbs.
    pub fn tenant<P: Platform>(
        &self,
        agent: &mut PhysicalFunction<P>,
        first: u64,
        count: u64,
    ) -> Result<(Guest, u16), Error> {
        let guest = self.machine(first, count);
        let function = agent.create(&self.new_function(first))?;
        agent.grant_window(function, RAM_IPA, self.frame(first + 1), count * FRAME)?;
        agent.open(function)?;
        Ok((guest, function))
    }

    /// Attaches a tenant's driver.
    ///
    /// # Panics
    ///
    /// If the firmware does not answer.
    #[must_use]
    pub fn attach(&self, guest: &Guest) -> Device<Stepped> {
        guest.ram.reset();
        self.world.attach(guest).expect("attach")
    }
}

/// What a marked word holds.
const MARK: u64 = 0xa5a5_5a5a_c3c3_3c3c;
