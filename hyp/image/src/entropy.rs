//! The seed of the key generator: everything the machine offers, hashed together.
//!
//! Sources: `/chosen/rng-seed` and virtio-rng. One honest source is enough; without any, Unimux
//! refuses to give out functions, since their keys could be guessed. The counter is mixed in so
//! that a seed that is replayed does not give the same keys twice, but counts for nothing.

use dtoolkit::fdt::Fdt;
use sha2::{Digest, Sha256};
use unimux_el2::time;

use crate::{machine, virtio};

/// Shortest seed of the boot loader that counts as entropy.
const SEED_BYTES_MIN: usize = 16;

/// Makes the seed, or says that there is no entropy.
pub(crate) fn gather(tree: &Fdt<'_>) -> Option<[u8; 32]> {
    let mut hash = Sha256::new();
    let mut sources = 0;
    hash.update(b"unimux key seed 1");
    hash.update(time::ticks().to_le_bytes());
    if let Some(seed) = machine::seed(tree).filter(|seed| seed.len() >= SEED_BYTES_MIN) {
        hash.update(&seed);
        sources += 1;
        defmt::info!("entropy: {=usize} bytes from the boot loader", seed.len());
    }
    for (base, len_bytes) in machine::virtio_transports(tree) {
        if let Some(bytes) = virtio::random_bytes(base, len_bytes) {
            hash.update(bytes);
            sources += 1;
            defmt::info!(
                "entropy: {=usize} bytes from virtio-rng at {=u64:#x}",
                bytes.len(),
                base
            );
        }
    }
    (sources > 0).then(|| hash.finalize().into())
}
