//! A function in use: attached, with memory to work in.

use unimux_driver::{Device, Error as DriverError};

use crate::{Arena, Doorbell, Error, Found, Waker};

/// How long attaching may take, in nanoseconds: the firmware answers in microseconds, but a guest
/// may have to wait for its turn on the host.
const PATIENCE_NS: u64 = 5_000_000_000;

/// The first version of the firmware that wakes who sleeps until events come.
const WAKES: u32 = 0x0001_0001;

/// An attached function.
#[derive(Debug)]
pub struct Function {
    /// The driver's device.
    pub device: Device<Doorbell>,
    /// Its memory.
    pub arena: Arena,
    /// What was found.
    pub found: Found,
}

impl Function {
    /// Attaches a function, anew if a program before this one had it: what that one left, killed
    /// or not, is gone when this returns.
    ///
    /// # Errors
    ///
    /// [`Error::InUse`], [`Error::NoAnswer`], as [`Arena::open`], or the driver's.
    pub fn open(found: Found) -> Result<Self, Error> {
        let doorbell = Doorbell::new(found.doorbell);
        Self::open_by(found, doorbell)
    }

    /// The same for a program that sleeps while it waits, after having polled for `polls_ns`
    /// nanoseconds.
    ///
    /// # Errors
    ///
    /// [`Error::NeverWoken`], as [`Waker::of`], or as [`open`](Self::open).
    pub fn open_to_sleep(found: Found, polls_ns: u64) -> Result<Self, Error> {
        let doorbell = Doorbell::new(found.doorbell).sleeping(Waker::of(&found)?, polls_ns);
        let function = Self::open_by(found, doorbell)?;
        if function.device.limits().version < WAKES {
            return Err(Error::NeverWoken);
        }
        Ok(function)
    }

    fn open_by(found: Found, doorbell: Doorbell) -> Result<Self, Error> {
        let mut arena = Arena::open(found.info.own.function)?;
        let page = arena.next_control_page();
        let device = match Device::attach_within(doorbell, page, PATIENCE_NS) {
            Err(DriverError::Timeout) => {
                return Err(Error::NoAnswer {
                    function: found.info.own.function,
                });
            }
            other => other?,
        };
        arena.forget_buffers()?;
        Ok(Self {
            device,
            arena,
            found,
        })
    }
}
