//! Everything that a host can write to the physical function, beside a pair of good guests.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    unimux_host_tests::hostile_host::physical_function(input);
});
