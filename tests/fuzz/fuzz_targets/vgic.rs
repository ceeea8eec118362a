//! A guest's loads and stores of its interrupt controller, and what is delivered in between.
#![no_main]

use unimux_vgic::{Frame, SgiGroup, VirtualGic};

/// vCPUs, and list registers.
const VCPUS: usize = 3;
const LISTS: usize = 4;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let mut gic = VirtualGic::new(VCPUS);
    for step in input.chunks_exact(16) {
        let [kind, vcpu, size, _, a, b, c, d, value @ ..] = step else {
            return;
        };
        let offset = u64::from(u32::from_le_bytes([*a, *b, *c, *d]) & 0x7_ffff);
        let value = value
            .iter()
            .fold(0, |value, byte| value << 8 | u64::from(*byte));
        let vcpu = usize::from(*vcpu) % VCPUS;
        let len_bytes = 1 << (size & 3);
        let frame = if size & 4 == 0 {
            Frame::Distributor
        } else {
            Frame::Redistributors
        };
        match kind % 6 {
            0 | 1 => drop(gic.write(frame, offset, len_bytes, value)),
            2 => drop(gic.read(frame, offset, len_bytes)),
            3 => drop(gic.send_sgi(vcpu, SgiGroup::One, value)),
            4 => {
                let refill = gic.refill(vcpu, LISTS);
                let lists: Vec<u64> = refill.lists().iter().map(|it| it.into_bits()).collect();
                let _ = gic.retire(vcpu, &lists);
            }
            _ => gic.reset(),
        }
    }
});
