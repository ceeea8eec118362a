//! Everything that a guest can write, at any time, beside a pair of good guests.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| unimux_host_tests::hostile::whole_function(input));
