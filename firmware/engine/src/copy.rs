//! One order to an engine: two spans of the same length.
#![forbid(unsafe_code)]

use thiserror::Error;
use unimux_memory::Span;

/// The two spans of a copy are not of the same length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a copy from {source_len_bytes} to {destination_len_bytes} bytes")]
pub struct UnequalLengths {
    /// Length of the source in bytes.
    pub source_len_bytes: u64,
    /// Length of the destination in bytes.
    pub destination_len_bytes: u64,
}

/// Bytes to move. Where the spans overlap, what arrives is unspecified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copy {
    source: Span,
    destination: Span,
}

impl Copy {
    /// The copy of all of `source` to all of `destination`.
    ///
    /// # Errors
    ///
    /// [`UnequalLengths`] if they are not equally long.
    pub const fn new(source: Span, destination: Span) -> Result<Self, UnequalLengths> {
        if source.len_bytes() != destination.len_bytes() {
            return Err(UnequalLengths {
                source_len_bytes: source.len_bytes(),
                destination_len_bytes: destination.len_bytes(),
            });
        }
        Ok(Self {
            source,
            destination,
        })
    }

    /// Where the bytes are.
    #[must_use]
    pub const fn source(self) -> Span {
        self.source
    }

    /// Where they go.
    #[must_use]
    pub const fn destination(self) -> Span {
        self.destination
    }

    /// How many bytes that is.
    #[must_use]
    pub const fn len_bytes(self) -> u64 {
        self.source.len_bytes()
    }

    /// The copy of the first `len_bytes` bytes, or of all if there are fewer, and that of the rest.
    #[must_use]
    pub fn split_at(self, len_bytes: u64) -> (Self, Self) {
        let (source, destination) = (
            self.source.split_at(len_bytes),
            self.destination.split_at(len_bytes),
        );
        let half = |source, destination| Self {
            source,
            destination,
        };
        (half(source.0, destination.0), half(source.1, destination.1))
    }
}
