//! A hostile guest hurts only itself, whatever it writes wherever it can.
//!
//! The bodies are those of the fuzz targets in `tests/fuzz`; here they run over fixed seeds, and
//! over inputs that proptest makes smaller when one of them fails.

use proptest::prelude::*;
use unimux_host_tests::{hostile, pattern};

/// Inputs of different lengths that are the same every time.
fn fixed(target: impl Fn(&[u8])) {
    target(&[]);
    for seed in 0..40 {
        target(&pattern(seed, 40 + 60 * (seed as usize % 10)));
    }
    for byte in [0, 1, 0x7f, 0xff] {
        target(&[byte; 500]);
    }
}

#[test]
fn by_commands() {
    fixed(hostile::commands);
}

#[test]
fn by_work_entries() {
    fixed(hostile::work_entries);
}

#[test]
fn by_anything_it_can_write() {
    fixed(hostile::whole_function);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn by_any_commands(input in prop::collection::vec(any::<u8>(), 0..600)) {
        hostile::commands(&input);
    }

    #[test]
    fn by_any_work_entries(input in prop::collection::vec(any::<u8>(), 0..800)) {
        hostile::work_entries(&input);
    }

    #[test]
    fn by_any_writes_at_all(input in prop::collection::vec(any::<u8>(), 0..800)) {
        hostile::whole_function(&input);
    }
}
