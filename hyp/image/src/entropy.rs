//! Seeds, of the key generator and of guests' random numbers: everything the machine offers, stirred
//! together.
//!
//! Sources: `/chosen/rng-seed` and virtio-rng. One honest source is enough; without any, Unimux
//! refuses to give out functions, since their keys could be guessed. The counter is mixed in so
//! that a seed that is replayed does not give the same keys twice, but counts for nothing.

use unimux_el2::time;
use unimux_firmware::next_seed;
use unimux_tree::Tree;

use crate::{machine, virtio};

/// Shortest seed of the boot loader that counts as entropy.
const SEED_BYTES_MIN: usize = 16;

/// A cascade: the state after each piece is a ChaCha20 block under the key *state xor piece*, so
/// that nobody who lacks one piece knows anything of the end.
// Aligned, so that it is not copied byte by byte.
#[derive(Clone, Default)]
#[repr(align(8))]
struct Pool([u8; 32]);

impl Pool {
    fn stir(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(32) {
            for (state, byte) in self.0.iter_mut().zip(piece) {
                *state ^= byte;
            }
            self.0 = next_seed(self.0);
        }
    }
}

/// A generator that keeps nothing of what it gave: whoever learns its state learns no earlier number.
pub(crate) struct Generator(Pool);

impl Generator {
    /// The next numbers.
    pub(crate) fn numbers(&mut self) -> [u64; 3] {
        let given = self.next();
        let word = |index: usize| {
            let bytes = given.0.as_chunks::<8>().0;
            bytes.get(index).map_or(0, |it| u64::from_le_bytes(*it))
        };
        [word(0), word(1), word(2)]
    }

    /// A generator that shares nothing with this one.
    pub(crate) fn split(&mut self) -> Self {
        Self(self.next())
    }

    fn next(&mut self) -> Pool {
        let mut given = self.0.clone();
        given.stir(b"given");
        self.0.stir(b"kept");
        given
    }
}

/// Seeds of which none tells anything of another.
pub(crate) struct Seeds {
    /// For keys.
    pub(crate) keys: [u8; 32],
    /// For guests' random numbers.
    pub(crate) guests: Generator,
    /// For the host's own generator.
    pub(crate) host: [u8; 32],
}

/// Makes the seeds, or says that there is no entropy.
pub(crate) fn gather(tree: &Tree<'_>) -> Option<Seeds> {
    let mut pool = Pool::default();
    let mut sources = 0;
    pool.stir(b"unimux key seed 1");
    pool.stir(&time::ticks().to_le_bytes());
    if let Some(seed) = machine::seed(tree).filter(|seed| seed.len() >= SEED_BYTES_MIN) {
        pool.stir(&seed);
        sources += 1;
        defmt::info!("entropy: {=usize} bytes from the boot loader", seed.len());
    }
    if let Some(bytes) = virtio::random_bytes(tree) {
        pool.stir(&bytes);
        sources += 1;
        defmt::info!("entropy: {=usize} bytes from virtio-rng", bytes.len());
    }
    let mut keys = pool.clone();
    keys.stir(b"keys");
    let mut guests = pool.clone();
    guests.stir(b"guests");
    pool.stir(b"host");
    (sources > 0).then_some(Seeds {
        keys: keys.0,
        guests: Generator(guests),
        host: pool.0,
    })
}
