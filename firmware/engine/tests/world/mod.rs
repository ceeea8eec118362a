//! Memory with caches that a device does not see, and a clock that a test turns.
//!
//! What cores see is the memory of this process; what a device sees that is not coherent is a copy
//! of it, which changes by cache maintenance and by the device alone. A line that was never cleaned
//! holds junk there; one that was dirty when the device wrote it is written back over that; one that
//! is forgotten while it is dirty is a failure at once.
#![expect(unsafe_code, reason = "test memory is granted")]

use std::alloc::{Layout, alloc_zeroed};
use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use unimux_engine::dma::{Descriptors, Machine};
use unimux_engine::{Copy, Span};
use unimux_memory::{Ipa, Pa, Windows};

/// A line of a Cortex-A53's caches.
pub(crate) const LINE: usize = 64;
/// Pages of memory, the first of which are for descriptors.
const PAGES: usize = 128;
const PAGE: usize = Descriptors::BYTES;
/// What a device reads where nobody has cleaned.
const JUNK: u8 = 0xa5;

struct State {
    now_ns: u64,
    /// What is in memory.
    dram: Vec<u8>,
    /// What the cores' view was when each line was last clean.
    clean: Vec<u8>,
    /// A barrier came after the last maintenance.
    is_fenced: bool,
    from_engine: usize,
    maintained: usize,
}

/// The machine; clones are the same one.
#[derive(Clone)]
pub(crate) struct World {
    bytes: &'static [AtomicU8],
    state: Rc<RefCell<State>>,
}

impl World {
    pub(crate) fn new() -> Self {
        let layout = Layout::from_size_align(PAGES * PAGE, PAGE).unwrap();
        // SAFETY: the layout is not empty.
        let memory = unsafe { alloc_zeroed(layout) };
        assert!(!memory.is_null());
        memory.expose_provenance();
        // SAFETY: the memory is never freed and reached by atomics alone.
        let bytes = unsafe { std::slice::from_raw_parts(memory.cast::<AtomicU8>(), layout.size()) };
        for (index, byte) in bytes.iter().enumerate().skip(PAGE * 16) {
            byte.store((index * 7 + index / 251 + 1) as u8, Ordering::Relaxed);
        }
        Self {
            bytes,
            state: Rc::new(RefCell::new(State {
                now_ns: 0,
                dram: vec![JUNK; bytes.len()],
                clean: vec![JUNK; bytes.len()],
                is_fenced: false,
                from_engine: 0,
                maintained: 0,
            })),
        }
    }

    /// A page for the descriptors of channel `index`.
    pub(crate) fn descriptors(&self, index: usize) -> Descriptors {
        let page = self.bytes[index * PAGE..].as_ptr().cast::<AtomicU64>();
        assert!(index < 16);
        // SAFETY: an aligned page of the arena, reached by atomics alone.
        Descriptors::new(unsafe { std::slice::from_raw_parts(page, PAGE / 8) })
    }

    /// Memory of a guest: `len` bytes at `offset` of what is not for descriptors.
    pub(crate) fn span(&self, offset: usize, len: usize) -> Span {
        let first = 16 * PAGE + offset;
        assert!(first + len <= self.bytes.len());
        granted(self.base() + first as u64, len as u64)
    }

    pub(crate) fn copy(&self, from: usize, to: usize, len: usize) -> Copy {
        Copy::new(self.span(from, len), self.span(to, len)).unwrap()
    }

    /// What the cores see of [`span`](Self::span).
    pub(crate) fn read(&self, offset: usize, len: usize) -> Vec<u8> {
        let first = 16 * PAGE + offset;
        self.view(first..first + len)
    }

    /// All that guests have, as the cores see it.
    pub(crate) fn all(&self) -> Vec<u8> {
        self.view(16 * PAGE..self.bytes.len())
    }

    pub(crate) fn pass(&self, ns: u64) {
        self.state.borrow_mut().now_ns += ns;
    }

    /// How often a device's writes were waited for.
    pub(crate) fn waited_for(&self) -> usize {
        self.state.borrow().from_engine
    }

    /// How many lines were maintained.
    pub(crate) fn maintained(&self) -> usize {
        self.state.borrow().maintained
    }

    /// The device is rung: what it will read must be there.
    pub(crate) fn assert_fenced(&self) {
        let fenced = std::mem::replace(&mut self.state.borrow_mut().is_fenced, false);
        assert!(fenced, "rung without a barrier before");
    }

    /// The device reads.
    pub(crate) fn device_read(&self, address: u64, len: usize, is_coherent: bool) -> Vec<u8> {
        let range = self.range(address, len);
        if is_coherent {
            return self.view(range);
        }
        self.state.borrow().dram[range].to_vec()
    }

    /// The device writes.
    pub(crate) fn device_write(&self, address: u64, data: &[u8], is_coherent: bool) {
        let range = self.range(address, data.len());
        if is_coherent {
            for (byte, &value) in self.bytes[range].iter().zip(data) {
                byte.store(value, Ordering::Relaxed);
            }
            return;
        }
        let is_whole = range.start.is_multiple_of(LINE) && range.end.is_multiple_of(LINE);
        let is_unimux = range.end <= 16 * PAGE;
        assert!(
            is_whole || is_unimux,
            "a guest may be writing to the rest of the line"
        );
        self.state.borrow_mut().dram[range.clone()].copy_from_slice(data);
        // A line that is dirty now is written back some time.
        for line in lines(range) {
            if self.is_dirty(line.clone()) {
                let view = self.view(line.clone());
                self.state.borrow_mut().dram[line].copy_from_slice(&view);
            }
        }
    }

    fn base(&self) -> u64 {
        self.bytes.as_ptr().addr() as u64
    }

    fn range(&self, address: u64, len: usize) -> Range<usize> {
        let first = address.checked_sub(self.base()).expect("memory is there") as usize;
        assert!(first + len <= self.bytes.len(), "memory is there");
        first..first + len
    }

    fn view(&self, range: Range<usize>) -> Vec<u8> {
        let bytes = self.bytes[range].iter();
        bytes.map(|byte| byte.load(Ordering::Relaxed)).collect()
    }

    /// Whether a core has written the line since it was last clean: it holds something else now.
    fn is_dirty(&self, line: Range<usize>) -> bool {
        self.view(line.clone()) != self.state.borrow().clean[line]
    }

    fn maintain(&self, range: Range<u64>) -> impl Iterator<Item = Range<usize>> {
        let range = self.range(range.start, (range.end - range.start) as usize);
        let mut state = self.state.borrow_mut();
        state.is_fenced = false;
        state.maintained += lines(range.clone()).count();
        lines(range)
    }
}

/// The lines that have a byte of `range`.
fn lines(range: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let first = range.start / LINE;
    (first..range.end.div_ceil(LINE)).map(|line| line * LINE..(line + 1) * LINE)
}

/// A span anywhere: for orders that must not be carried out, also where no memory is.
pub(crate) fn granted(address: u64, len_bytes: u64) -> Span {
    let mut windows = Windows::new();
    // SAFETY: either memory of the arena, which is reached by atomics alone, or never touched.
    unsafe { windows.grant(Ipa::new(0), Pa::new(address), len_bytes) }.unwrap();
    windows.translate(Ipa::new(0), len_bytes).unwrap()
}

impl Machine for World {
    fn now_ns(&self) -> u64 {
        self.state.borrow().now_ns
    }

    fn line_bytes(&self) -> u64 {
        LINE as u64
    }

    fn clean(&self, range: Range<u64>) {
        for line in self.maintain(range) {
            // Descriptors are written before they are cleaned, be it with what they were.
            if line.start < 16 * PAGE || self.is_dirty(line.clone()) {
                let view = self.view(line.clone());
                let mut state = self.state.borrow_mut();
                state.dram[line.clone()].copy_from_slice(&view);
                state.clean[line].copy_from_slice(&view);
            }
        }
    }

    fn clean_and_invalidate(&self, range: Range<u64>) {
        self.clean(range);
    }

    fn invalidate(&self, range: Range<u64>) {
        for line in self.maintain(range) {
            assert!(!self.is_dirty(line.clone()), "somebody's bytes are lost");
            let mut state = self.state.borrow_mut();
            let dram = state.dram[line.clone()].to_vec();
            state.clean[line.clone()].copy_from_slice(&dram);
            for (byte, value) in self.bytes[line].iter().zip(dram) {
                byte.store(value, Ordering::Relaxed);
            }
        }
    }

    fn to_engine(&self) {
        self.state.borrow_mut().is_fenced = true;
    }

    fn from_engine(&self) {
        self.state.borrow_mut().from_engine += 1;
    }
}
