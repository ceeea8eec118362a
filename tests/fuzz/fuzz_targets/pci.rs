//! A guest's loads and stores of its PCI configuration space, while its function has something to say.
#![no_main]

use unimux_pci::{Bus, ECAM_BYTES, Identity, Life};

/// What says who a device is, by word: nothing that a guest writes changes it.
const CONSTANT: [u64; 4] = [0x00, 0x08, 0x2c, 0x34];
/// The function's own page.
const FUNCTION: u64 = 0x8000;

const IDENTITY: Identity = Identity {
    abi: 1,
    function: 2,
    partition: 3,
    bar_bytes: 1 << 13,
};

fn constants(bus: &Bus) -> [u64; 8] {
    core::array::from_fn(|index| {
        let device = if index < 4 { 0 } else { FUNCTION };
        bus.read(device + CONSTANT[index % 4], 4, Life::default)
    })
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let mut bus = Bus::new(IDENTITY);
    let before = constants(&bus);
    for step in input.chunks_exact(8) {
        let [kind, a, b, c, value @ ..] = step else {
            return;
        };
        let anywhere = u64::from(u32::from_le_bytes([*a, *b, *c, 0])) % ECAM_BYTES;
        // Most of it is empty: half of the accesses go to the function.
        let offset = if kind & 8 == 0 {
            anywhere
        } else {
            FUNCTION + anywhere % 0x100
        };
        let len_bytes = 1 << (kind >> 1 & 3);
        match kind >> 4 {
            0 => {
                let _ = bus.raise();
            }
            1 => bus.reset(),
            _ if kind & 1 == 0 => {
                let read = bus.read(offset, len_bytes, Life::default);
                assert!(len_bytes == 8 || read == u64::MAX || read >> (8 * len_bytes) == 0);
            }
            _ => {
                let value = u64::from(u32::from_le_bytes(value.try_into().expect("four bytes")));
                let _ = bus.write(offset, len_bytes, value);
            }
        }
    }
    assert_eq!(constants(&bus), before);
});
