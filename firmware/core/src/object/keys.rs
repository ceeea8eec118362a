//! Keys and queue pair numbers that nobody can guess.
//!
//! Every function has a generator of its own, so that what one function draws says nothing about
//! what another one will; all 32 bits of a key are random, and so are all 24 of a number.

use chacha20::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

/// How often a number is drawn again because the first one did not fit.
const DRAWS: usize = 64;

/// A cryptographically secure generator, the same one that stirs the seed: ChaCha with 20 rounds.
#[derive(Debug)]
pub(crate) struct Keys(ChaCha20Rng);

/// The seed that grows from another: the beginning of its ChaCha20 stream. Whoever knows the new
/// one knows nothing of the other.
#[must_use]
pub fn next_seed(seed: [u8; 32]) -> [u8; 32] {
    Keys::new(seed).seed()
}

impl Keys {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self(ChaCha20Rng::from_seed(seed))
    }

    /// A generator that shares nothing with this one.
    pub(crate) fn split(&mut self) -> Self {
        Self::new(self.seed())
    }

    fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        self.0.fill_bytes(&mut seed);
        seed
    }

    /// The next 32 bits. Never in line, into which all of ChaCha would go.
    #[inline(never)]
    fn word(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// A key other than zero for which `fits` holds, or `None` if none of many draws does.
    pub(crate) fn draw_key(&mut self, fits: impl Fn(u32) -> bool) -> Option<u32> {
        (0..DRAWS)
            .map(|_| self.word())
            .find(|&key| key != 0 && fits(key))
    }

    /// A key whose low bits, as many as `mask` has, are `low`.
    pub(crate) fn draw_key_with(&mut self, mask: u32, low: u32) -> u32 {
        self.word() & !mask | low & mask
    }

    /// A queue pair number: 24 bits (IBTA 9.2), above the two that the IBTA reserves.
    pub(crate) fn draw_number(&mut self, fits: impl Fn(u32) -> bool) -> Option<u32> {
        (0..DRAWS)
            .map(|_| self.word() >> 8)
            .find(|&number| number > 1 && fits(number))
    }
}
