//! What comes out of a UART: any bytes are events or nothing.
#![no_main]

use unimux_serial::Decoder;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let mut decoder = Decoder::new();
    for byte in input {
        let _ = decoder.push(*byte);
    }
    let _ = decoder.finish();
});
