//! Commands, from sensible to wild, beside a pair of good guests.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| unimux_host_tests::hostile::commands(input));
