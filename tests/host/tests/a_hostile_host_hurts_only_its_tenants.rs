//! A hostile host hurts only its own tenants, whatever it writes to the physical function.

use proptest::prelude::*;
use unimux_host_tests::{hostile_host, pattern};

#[test]
fn by_fixed_garbage() {
    hostile_host::physical_function(&[]);
    for seed in 0..60 {
        hostile_host::physical_function(&pattern(seed, 40 + 100 * (seed as usize % 12)));
    }
    for byte in [0, 1, 0x7f, 0xff] {
        hostile_host::physical_function(&[byte; 500]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn by_anything_it_can_write(input in prop::collection::vec(any::<u8>(), 0..1500)) {
        hostile_host::physical_function(&input);
    }
}
