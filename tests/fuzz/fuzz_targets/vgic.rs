//! A guest's loads and stores of its interrupt controller, and what is delivered in between, on both
//! versions.
#![no_main]

use unimux_vgic::{
    V2, V3, Version, VirtualGic,
    v3::{Frame, SgiGroup},
};

/// vCPUs, and list registers.
const VCPUS: usize = 3;
const LISTS: usize = 4;

/// What a guest does.
struct Access {
    vcpu: usize,
    frame: Frame,
    offset: u64,
    len_bytes: usize,
    value: u64,
}

/// Accesses of a guest, by version.
trait Guest: Version + Sized {
    fn store(gic: &mut VirtualGic<Self>, access: &Access);
    fn load(gic: &VirtualGic<Self>, access: &Access);
    fn send(gic: &mut VirtualGic<Self>, access: &Access);
}

impl Guest for V3 {
    fn store(gic: &mut VirtualGic<Self>, access: &Access) {
        let _ = gic.write(access.frame, access.offset, access.len_bytes, access.value);
    }

    fn load(gic: &VirtualGic<Self>, access: &Access) {
        let _ = gic.read(access.frame, access.offset, access.len_bytes);
    }

    fn send(gic: &mut VirtualGic<Self>, access: &Access) {
        let _ = gic.send_sgi(access.vcpu, SgiGroup::One, access.value);
    }
}

impl Guest for V2 {
    fn store(gic: &mut VirtualGic<Self>, access: &Access) {
        let offset = access.offset & 0x1fff;
        let _ = gic.write(access.vcpu, offset, access.len_bytes, access.value);
    }

    fn load(gic: &VirtualGic<Self>, access: &Access) {
        let _ = gic.read(access.vcpu, access.offset & 0x1fff, access.len_bytes);
    }

    fn send(gic: &mut VirtualGic<Self>, access: &Access) {
        let _ = gic.write(access.vcpu, 0xf00, 4, access.value);
    }
}

fn run<V: Guest>(input: &[u8]) {
    let mut gic = VirtualGic::<V>::new(VCPUS);
    for step in input.chunks_exact(16) {
        let [kind, vcpu, size, _, a, b, c, d, value @ ..] = step else {
            return;
        };
        let access = Access {
            vcpu: usize::from(*vcpu) % VCPUS,
            frame: if size & 4 == 0 {
                Frame::Distributor
            } else {
                Frame::Redistributors
            },
            offset: u64::from(u32::from_le_bytes([*a, *b, *c, *d]) & 0x7_ffff),
            len_bytes: 1 << (size & 3),
            value: value
                .iter()
                .fold(0, |value, byte| value << 8 | u64::from(*byte)),
        };
        match kind % 6 {
            0 | 1 => V::store(&mut gic, &access),
            2 => V::load(&gic, &access),
            3 => V::send(&mut gic, &access),
            4 => {
                let refill = gic.refill(access.vcpu, LISTS);
                let _ = gic.retire(access.vcpu, refill.lists());
            }
            _ => gic.reset(),
        }
    }
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    run::<V2>(input);
    run::<V3>(input);
});
