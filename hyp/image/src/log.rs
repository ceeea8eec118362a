//! The log: defmt frames from all cores, on the UART's log channel.
//!
//! A frame is gathered under a lock that belongs to one core at a time; EL2 masks interrupts, so
//! the holder cannot be interrupted by itself. Only a panic breaks in, and it does not log.
#![expect(unsafe_code, reason = "defmt's logger is an unsafe trait")]
// UNSAFETY: one static that the lock below protects across three calls.

use core::{
    cell::UnsafeCell,
    sync::atomic::{AtomicBool, Ordering},
};

use unimux_el2::{core_id, time};
use unimux_serial::Channel;

use crate::invariant::holds;

defmt::timestamp!(
    "{=u64:us} core {=u8}",
    time::microseconds(),
    core_id::get() as u8
);

/// Log bytes that are sent at a time.
const BUFFER: usize = 256;

struct Gathered {
    encoder: defmt::Encoder,
    bytes: Bytes,
}

struct Bytes(heapless::Vec<u8, BUFFER>);

impl Bytes {
    fn put(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.0.push(*byte).is_err() {
                self.send();
                holds(self.0.push(*byte), "the buffer was emptied");
            }
        }
    }

    fn send(&mut self) {
        crate::console::send(Channel::Log, &self.0);
        self.0.clear();
    }
}

struct State {
    taken: AtomicBool,
    gathered: UnsafeCell<Gathered>,
}

// SAFETY: `gathered` is used only between `acquire` and `release`, which `taken` gives to one core.
unsafe impl Sync for State {}

static STATE: State = State {
    taken: AtomicBool::new(false),
    gathered: UnsafeCell::new(Gathered {
        encoder: defmt::Encoder::new(),
        bytes: Bytes(heapless::Vec::new()),
    }),
};

/// What is gathered.
///
/// # Safety
/// Between `acquire` and `release`, on the core that acquired, and one at a time.
unsafe fn gathered() -> &'static mut Gathered {
    // SAFETY: the caller's promise; defmt's macros do not nest.
    unsafe { &mut *STATE.gathered.get() }
}

#[defmt::global_logger]
struct Logger;

// SAFETY: `acquire` waits until no other core is between it and `release`.
unsafe impl defmt::Logger for Logger {
    fn acquire() {
        while STATE.taken.swap(true, Ordering::Acquire) {
            time::yield_now();
        }
        // SAFETY: acquired above.
        let Gathered { encoder, bytes } = unsafe { gathered() };
        encoder.start_frame(|part| bytes.put(part));
    }

    unsafe fn flush() {
        // SAFETY: called between `acquire` and `release`, says the trait.
        unsafe { gathered() }.bytes.send();
    }

    unsafe fn release() {
        // SAFETY: as above.
        let Gathered { encoder, bytes } = unsafe { gathered() };
        encoder.end_frame(|part| bytes.put(part));
        bytes.send();
        STATE.taken.store(false, Ordering::Release);
    }

    unsafe fn write(written: &[u8]) {
        // SAFETY: as above.
        let Gathered { encoder, bytes } = unsafe { gathered() };
        encoder.write(written, |part| bytes.put(part));
    }
}
