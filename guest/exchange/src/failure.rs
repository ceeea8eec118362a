//! Why a program gives up: the driver said so, a completion did, or what came is not what was sent.

use core::fmt;

use unimux_driver::{Completion, Error};

/// The reason that a program prints before it exits with a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A verb failed.
    Driver(Error),
    /// A work request did not end well.
    Request(Completion),
    /// Something that must hold does not.
    Broken(&'static str),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Driver(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Driver(error) => error.fmt(f),
            Self::Request(it) => write!(
                f,
                "{:?} {} ended with {:?}, {:?}",
                it.opcode, it.id, it.status, it.detail
            ),
            Self::Broken(what) => f.write_str(what),
        }
    }
}

/// `completion`, if it is a success.
///
/// # Errors
/// The completion, if not.
pub fn succeeded(completion: Completion) -> Result<Completion, Failure> {
    if completion.is_success() {
        Ok(completion)
    } else {
        Err(Failure::Request(completion))
    }
}

/// # Errors
/// `what` as a failure, unless `holds`.
pub fn ensure(holds: bool, what: &'static str) -> Result<(), Failure> {
    if holds {
        Ok(())
    } else {
        Err(Failure::Broken(what))
    }
}
