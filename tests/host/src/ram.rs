//! A guest's memory on the host: a leaked buffer, named by addresses that are not its own.
//!
//! Every guest's RAM begins at the same IPA, so a firmware that mixes guests up is caught.
// UNSAFETY: test memory is allocated for ever and granted to a function.
#![expect(unsafe_code, reason = "test memory is allocated and granted")]

use std::alloc::{Layout, alloc_zeroed, handle_alloc_error};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use unimux_abi::doorbell;
use unimux_driver::{DmaBlock, Error, Memory};
use unimux_firmware::{FunctionConfig, Quota};
use unimux_memory::{Ipa, Pa, Windows};

/// Where every guest's RAM begins, as the guest counts.
pub const RAM_IPA: u64 = 0x4000_0000;
/// RAM of a guest, unless a test says otherwise.
pub const RAM_BYTES: u64 = 1 << 20;

const PAGE: u64 = 4096;

/// Memory that no guest has, to be used again: a fuzzer makes guests by the thousand.
static SPARE: Mutex<Vec<&'static [AtomicU64]>> = Mutex::new(Vec::new());

/// Memory of one guest, which goes back to [`SPARE`] when the guest is gone.
///
/// A firmware that outlives its guests may still write there; that is a race between atomics.
#[derive(Debug)]
pub(crate) struct Lease(&'static [AtomicU64]);

impl Lease {
    /// `bytes` bytes of zeroed memory, aligned to a power of two.
    pub(crate) fn take(bytes: u64, alignment: u64) -> Self {
        let words = (bytes / 8) as usize;
        let spare = {
            let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
            let fits = |memory: &[AtomicU64]| {
                memory.len() == words && (memory.as_ptr().addr() as u64).is_multiple_of(alignment)
            };
            let place = spare.iter().position(|memory| fits(memory));
            place.map(|place| spare.swap_remove(place))
        };
        let Some(memory) = spare else {
            return Self(leak(bytes, alignment));
        };
        for word in memory {
            word.store(0, Ordering::Relaxed);
        }
        Self(memory)
    }

    /// The memory.
    pub(crate) const fn words(&self) -> &'static [AtomicU64] {
        self.0
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
        spare.push(self.0);
    }
}

/// `bytes` bytes of zeroed memory, aligned to a power of two, for ever.
fn leak(bytes: u64, alignment: u64) -> &'static [AtomicU64] {
    let size = usize::try_from(bytes).expect("test memory is small");
    let layout = Layout::from_size_align(size, alignment as usize).expect("a power of two");
    assert!(size > 0);
    // SAFETY: the layout is not empty.
    let memory = unsafe { alloc_zeroed(layout) };
    if memory.is_null() {
        handle_alloc_error(layout);
    }
    memory.expose_provenance();
    // SAFETY: 1. The memory is valid for `size` bytes for ever: it is never freed. 2. It is
    // aligned and zeroed. 3. Whoever reaches it from here on does so with atomics.
    unsafe { std::slice::from_raw_parts(memory.cast(), size / 8) }
}

pub(crate) fn pa_of(words: &'static [AtomicU64]) -> Pa {
    Pa::new(words.as_ptr().addr() as u64)
}

/// The memory of a guest, with a bump allocator over it.
#[derive(Clone, Debug)]
pub struct Ram {
    words: &'static [AtomicU64],
    next: Arc<AtomicU64>,
    _lease: Option<Arc<Lease>>,
}

impl Ram {
    /// RAM in `words`, which somebody else owns.
    pub(crate) fn over(words: &'static [AtomicU64]) -> Self {
        Self {
            words,
            next: Arc::default(),
            _lease: None,
        }
    }

    /// Everything, as the guest would share it.
    #[must_use]
    pub fn all(&self) -> DmaBlock {
        DmaBlock::new(self.words, RAM_IPA)
    }

    /// How large it is.
    #[must_use]
    pub const fn len_bytes(&self) -> u64 {
        self.words.len() as u64 * 8
    }

    /// The next `bytes` bytes, aligned to a page.
    ///
    /// # Panics
    ///
    /// If the RAM is used up.
    #[must_use]
    pub fn take(&self, bytes: u64) -> DmaBlock {
        let at = self.next.load(Ordering::Relaxed).next_multiple_of(PAGE);
        let bytes = bytes.next_multiple_of(8);
        self.next.store(at + bytes, Ordering::Relaxed);
        self.all()
            .part(at, bytes)
            .expect("the guest has enough RAM")
    }

    /// Forgets what was taken: the next block is the first one again.
    pub fn reset(&self) {
        self.next.store(0, Ordering::Relaxed);
    }

    /// The word at `ipa`.
    ///
    /// # Panics
    ///
    /// If that is not in the RAM.
    #[must_use]
    pub fn word(&self, ipa: u64) -> &'static AtomicU64 {
        &self.words[((ipa - RAM_IPA) / 8) as usize]
    }

    /// The bytes at `ipa`, wherever it is.
    #[must_use]
    pub fn read(&self, ipa: u64, len_bytes: usize) -> Vec<u8> {
        (ipa..ipa + len_bytes as u64)
            .map(|at| self.word(at).load(Ordering::Acquire).to_le_bytes()[(at % 8) as usize])
            .collect()
    }

    /// Puts `bytes` at `ipa`.
    pub fn write(&self, ipa: u64, bytes: &[u8]) {
        for (at, byte) in (ipa..).zip(bytes) {
            let word = self.word(at);
            let mut value = word.load(Ordering::Relaxed).to_le_bytes();
            value[(at % 8) as usize] = *byte;
            word.store(u64::from_le_bytes(value), Ordering::Release);
        }
    }
}

impl Memory for Ram {
    fn take_block(&mut self, len_bytes: u64) -> Result<DmaBlock, Error> {
        Ok(self.take(len_bytes.next_multiple_of(PAGE)))
    }
}

/// What the test has of a guest before the firmware knows of it.
#[derive(Clone, Debug)]
pub struct Guest {
    /// Its memory.
    pub ram: Ram,
    /// Its doorbell page.
    pub doorbell: &'static [AtomicU64],
}

/// A guest with `ram_bytes` of RAM, and what the firmware is to be told of it.
#[must_use]
pub fn new_guest(ram_bytes: u64, quota: Quota) -> (Guest, FunctionConfig) {
    assert!(ram_bytes.is_multiple_of(PAGE), "a guest has whole pages");
    let lease = Lease::take(ram_bytes + doorbell::PAGE_BYTES, PAGE);
    let (words, bell) = lease.0.split_at((ram_bytes / 8) as usize);
    let mut windows = Windows::new();
    let mut bells = Windows::new();
    // SAFETY: both buffers are leaked, exposed, and reached by atomics only.
    unsafe {
        windows
            .grant(Ipa::new(RAM_IPA), pa_of(words), ram_bytes)
            .expect("one window overlaps nothing");
        bells
            .grant(Ipa::new(0), pa_of(bell), doorbell::PAGE_BYTES)
            .expect("one window overlaps nothing");
    }
    let guest = Guest {
        ram: Ram {
            words,
            next: Arc::default(),
            _lease: Some(Arc::new(lease)),
        },
        doorbell: bell,
    };
    let config = FunctionConfig {
        windows,
        doorbell: bells
            .translate(Ipa::new(0), doorbell::PAGE_BYTES)
            .expect("just granted"),
        quota,
        partition: 0,
        weight: 1,
    };
    (guest, config)
}

/// `len` bytes that differ from those of another `seed`, and from their neighbours.
#[must_use]
pub fn pattern(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 24) as u8
        })
        .collect()
}
