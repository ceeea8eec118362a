//! The firmware on its core: concrete, so that it is optimised apart from the image.
//!
//! `unimux-firmware` is generic over engine and platform, and generic code is compiled with the
//! crate that names the types. The image is compiled for size; what a request passes through is
//! not. So the types are named here. It decides nothing.
//!
//! This crate exists for bare metal only; on a host it is empty.
#![cfg(target_os = "none")]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::boxed::Box;

use unimux_el2::time;
use unimux_engine::cpu::CpuEngine;
use unimux_firmware::{
    AddError, Firmware, FunctionConfig, FunctionId, Host, PhysicalConfig, Platform, Progress,
};

/// The machine as the firmware asks for it.
struct Machine {
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

/// The firmware, its engine and its machine.
pub struct EngineCore {
    firmware: Firmware<CpuEngine>,
    machine: Machine,
}

impl EngineCore {
    /// Firmware without functions. `raise` interrupts the guest of a function.
    pub fn new(seed: [u8; 32], raise: fn(FunctionId)) -> Self {
        Self {
            firmware: Firmware::new(CpuEngine::new(), seed),
            machine: Machine {
                tick_ns: (1_000_000_000 << 24) / time::ticks_per_second().max(1),
                raise,
                host: None,
            },
        }
    }

    /// See [`Firmware::add_function`].
    ///
    /// # Errors
    /// As there.
    pub fn add_function(&mut self, config: FunctionConfig) -> Result<FunctionId, AddError> {
        self.firmware.add_function(config)
    }

    /// Makes the physical function for a host of virtual machines, whose memory `host` is. See
    /// [`Firmware::add_physical_function`].
    ///
    /// # Errors
    /// As there.
    pub fn add_physical_function(
        &mut self,
        config: PhysicalConfig,
        host: Box<dyn Host + Send>,
    ) -> Result<FunctionId, AddError> {
        self.machine.host = Some(host);
        self.firmware.add_physical_function(config)
    }

    /// See [`Firmware::round`].
    #[inline(never)]
    pub fn round(&mut self) -> Progress {
        self.firmware.round(&mut self.machine)
    }

    /// See [`Firmware::has_queues`].
    #[must_use]
    pub fn has_queues(&self) -> bool {
        self.firmware.has_queues()
    }

    /// See [`Firmware::begin_take_back`].
    pub fn begin_take_back(&mut self, id: FunctionId) {
        self.firmware.begin_take_back(id);
    }

    /// See [`Firmware::is_free`].
    #[must_use]
    pub fn is_free(&self, id: FunctionId) -> bool {
        self.firmware.is_free(id)
    }

    /// See [`Firmware::give`].
    pub fn give(&mut self, id: FunctionId) -> bool {
        self.firmware.give(id)
    }
}
