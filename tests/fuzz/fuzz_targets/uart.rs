//! A guest's loads and stores of its UART, while somebody types.
#![no_main]

use unimux_uart::Uart;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let mut uart = Uart::new();
    for step in input.chunks_exact(8) {
        let [kind, typed, offset @ .., a, b, c, d] = step else {
            return;
        };
        let offset = u64::from(offset[0]) | u64::from(offset[1]) << 8;
        match kind % 3 {
            0 => {
                uart.write(offset, u32::from_le_bytes([*a, *b, *c, *d]));
            },
            1 => {
                uart.read(offset);
            }
            _ => (0..*typed).for_each(|byte| uart.receive(byte)),
        }
        let _ = uart.is_interrupting();
    }
});
