//! A world of threads: the firmware runs on its own, as on an engine core.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use unimux_driver::Platform;
use unimux_engine::cpu::CpuEngine;
use unimux_firmware::{Firmware, FunctionId, Progress};

use crate::Guest;

/// What the firmware runs on here.
struct Core {
    began: Instant,
    interrupts: Arc<AtomicU64>,
}

impl unimux_firmware::Platform for Core {
    fn now_ns(&self) -> u64 {
        self.began.elapsed().as_nanos() as u64
    }

    fn cycles(&self) -> u64 {
        self.now_ns()
    }

    fn interrupt(&mut self, _: FunctionId) {
        self.interrupts.fetch_add(1, Ordering::Relaxed);
    }
}

/// The firmware on its own thread, until this is stopped.
#[derive(Debug)]
pub struct FirmwareThread {
    stop: Arc<AtomicBool>,
    interrupts: Arc<AtomicU64>,
    thread: JoinHandle<Firmware<CpuEngine>>,
    /// The firmware reaches their memory for as long as it runs.
    _guests: Vec<Guest>,
}

impl FirmwareThread {
    /// Lets `firmware` run, which has functions of `guests`.
    #[must_use]
    pub fn start(mut firmware: Firmware<CpuEngine>, guests: &[Guest]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let interrupts = Arc::new(AtomicU64::new(0));
        let mut core = Core {
            began: Instant::now(),
            interrupts: interrupts.clone(),
        };
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                if firmware.round(&mut core) != Progress::Busy {
                    std::thread::yield_now();
                }
            }
            firmware
        });
        Self {
            stop,
            interrupts,
            thread,
            _guests: guests.to_vec(),
        }
    }

    /// Interrupts that were raised, of all functions.
    #[must_use]
    pub fn interrupts(&self) -> u64 {
        self.interrupts.load(Ordering::Relaxed)
    }

    /// Stops it; gives the firmware back.
    ///
    /// # Panics
    ///
    /// If the firmware panicked.
    #[must_use]
    pub fn stop(self) -> Firmware<CpuEngine> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the firmware does not panic")
    }
}

/// A guest's end of a world of threads.
#[derive(Clone, Debug)]
pub struct Threaded {
    doorbell: &'static [AtomicU64],
    began: Instant,
}

impl Threaded {
    /// The platform of the guest with this doorbell page.
    #[must_use]
    pub fn new(doorbell: &'static [AtomicU64]) -> Self {
        Self {
            doorbell,
            began: Instant::now(),
        }
    }
}

impl Platform for Threaded {
    fn store_to_doorbell(&self, offset_bytes: u64, value: u64) {
        self.doorbell[(offset_bytes / 8) as usize].store(value, Ordering::Release);
    }

    fn now_ns(&self) -> u64 {
        self.began.elapsed().as_nanos() as u64
    }

    fn relax(&self) {
        std::thread::yield_now();
    }
}
