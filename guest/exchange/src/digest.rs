//! SHA-256 over what a guest has in its own memory, computed by the guest itself.

use core::fmt;

use sha2::{Digest as _, Sha256};

use crate::Buffer;

/// A SHA-256 digest; displayed as 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Of the first `len_bytes` bytes of `buffer`.
    pub fn of_buffer(buffer: Buffer, len_bytes: usize) -> Self {
        let mut hash = Sha256::new();
        buffer.for_bytes(len_bytes, |bytes| hash.update(bytes));
        Self(hash.finalize().into())
    }

    /// Of `bytes`.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
