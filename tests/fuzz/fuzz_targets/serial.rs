//! What goes over a UART, out and in: any bytes are events or nothing.
#![no_main]

use unimux_serial::{Decoder, Input};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let mut decoder = Decoder::new();
    let mut typed = Input::new();
    for byte in input {
        let _ = decoder.push(*byte);
        let _ = typed.push(*byte);
    }
    let _ = decoder.finish();
});
