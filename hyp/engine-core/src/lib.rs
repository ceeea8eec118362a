//! The firmware's rounds on its core: concrete, so that they are optimised apart from the image.
//!
//! `unimux-firmware` is generic over engine and platform, and generic code is compiled with the
//! crate that names the types. The image is compiled for size; what a request passes through is
//! not. So rounds are named here, and all else, commands among it, in the image. It decides nothing.
//!
//! This crate exists for bare metal only; on a host it is empty.
#![cfg(target_os = "none")]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::boxed::Box;

#[cfg(any(feature = "zdma", feature = "cdma"))]
pub mod dma;

use unimux_el2::time;
use unimux_firmware::{Firmware, FunctionId, Host, Platform, Progress};

/// The machine as the firmware asks for it.
pub struct Machine {
    /// Nanoseconds per tick, times 2^24.
    tick_ns: u64,
    raise: fn(FunctionId),
    host: Option<Box<dyn Host + Send>>,
}

impl Platform for Machine {
    fn now_ns(&self) -> u64 {
        ((u128::from(time::ticks()) * u128::from(self.tick_ns)) >> 24) as u64
    }

    fn cycles(&self) -> u64 {
        time::cycles()
    }

    fn interrupt(&mut self, function: FunctionId) {
        (self.raise)(function);
    }

    fn host(&mut self) -> Option<&mut dyn Host> {
        match &mut self.host {
            Some(host) => Some(&mut **host),
            None => None,
        }
    }
}

impl Machine {
    /// A machine without a host. `raise` interrupts the guest of a function.
    #[must_use]
    pub fn new(raise: fn(FunctionId)) -> Self {
        Self {
            tick_ns: (1_000_000_000 << 24) / time::ticks_per_second().max(1),
            raise,
            host: None,
        }
    }

    /// There is a host of virtual machines, whose memory this is.
    pub fn set_host(&mut self, host: Box<dyn Host + Send>) {
        self.host = Some(host);
    }
}

/// What moves the bytes: this core, where there can be no DMA engine.
#[cfg(not(any(feature = "zdma", feature = "cdma")))]
pub type CoreEngine = unimux_engine::cpu::CpuEngine;
/// What moves the bytes.
#[cfg(any(feature = "zdma", feature = "cdma"))]
pub type CoreEngine = dma::DmaEngine;

/// The firmware of this machine.
pub type CoreFirmware = Firmware<CoreEngine>;

/// See [`Firmware::round_with`]. What this function calls is compiled here, for speed; what it is
/// given in `control_slice` is compiled by who names that.
#[inline(never)]
pub fn round(
    firmware: &mut CoreFirmware,
    machine: &mut Machine,
    control_slice: fn(&mut CoreFirmware, bool, &mut Machine) -> bool,
) -> Progress {
    firmware.round_with(machine, control_slice)
}
