//! An entry that changes while it is read is read once: what was checked is what is done.
//!
//! A thread of the hostile guest flips the words of its entries between good and bad ones all the
//! time. Whatever mixture the firmware reads, bytes outside the peer's region never change.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use unimux_abi::work;
use unimux_driver::{Access, Device, DmaBlock, Error, MemoryRegion, QpState, SendWr};
use unimux_engine::cpu::CpuEngine;
use unimux_firmware::{Firmware, Quota};
use unimux_host_tests::{
    FirmwareThread, Guest, LIMIT_NS, Node, RAM_BYTES, Shape, Threaded, connect, new_guest, pattern,
};

fn world<const N: usize>() -> (FirmwareThread, [Node<Threaded>; N]) {
    let mut firmware = Firmware::new(CpuEngine, [5; 32]);
    let guests: [Guest; N] = std::array::from_fn(|_| {
        let (guest, config) = new_guest(RAM_BYTES, Quota::default());
        firmware.add_function(config).expect("room");
        guest
    });
    let core = FirmwareThread::start(firmware, &guests);
    let nodes = guests.map(|guest| {
        let page = guest.ram.take(4096);
        let device = Device::attach(Threaded::new(guest.doorbell), page).expect("attach");
        Node::new(device, &guest, Shape::default())
    });
    (core, nodes)
}

/// Flips words of entries until `stop`.
fn flip(queue: DmaBlock, inside: MemoryRegion, stop: &AtomicBool) {
    let outside = [0, 4096 * 3, u64::MAX - 100, 1 << 40];
    let mut turn = 0usize;
    while !stop.load(Ordering::Relaxed) {
        for entry in queue
            .words()
            .as_chunks::<{ work::WORDS }>()
            .0
            .iter()
            .take(16)
        {
            let [_, _, remote, key, _, segment, ..] = entry;
            let pick = |values: &[u64]| values[turn % values.len()];
            remote.store(inside.iova.wrapping_add(pick(&outside)), Ordering::Relaxed);
            segment.store(
                segment.load(Ordering::Relaxed) ^ 0x3fff << 32,
                Ordering::Relaxed,
            );
            remote.store(inside.iova + pick(&[0, 8, 2048]), Ordering::Relaxed);
            key.store(key.load(Ordering::Relaxed) ^ 1 << 31, Ordering::Relaxed);
            key.store(key.load(Ordering::Relaxed) ^ 1 << 31, Ordering::Relaxed);
            segment.store(
                segment.load(Ordering::Relaxed) ^ 0x3fff << 32,
                Ordering::Relaxed,
            );
            turn += 1;
        }
    }
}

#[test]
fn by_words_of_its_entries() {
    let (core, [mut hostile, mut peer, mut a, mut b]) = world();
    connect(&mut hostile, &mut peer);
    connect(&mut a, &mut b);
    // The peer opens the second page of its data only.
    let open = peer
        .device
        .register_range(peer.pd, peer.data.ipa() + 4096, 4096, 0x9000, Access::all())
        .unwrap();
    let before = pattern(3, 64 * 1024);
    peer.write(0, &before);
    hostile.write(0, &[0xee; 32 * 1024]);
    let stop = AtomicBool::new(false);
    let victims = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let (stop, victims) = (&stop, &victims);
        let queue = hostile.qp_block;
        scope.spawn(move || flip(queue, open, stop));
        scope.spawn(move || {
            a.write(0, &pattern(7, 4096));
            while !stop.load(Ordering::Relaxed) {
                let request = SendWr::write(a.region.segment(1, 3000), b.region.remote(2));
                a.qp.post_send(&request.signaled()).expect("room");
                let done = a.cq.wait_one(LIMIT_NS).expect("a completion");
                assert!(done.is_success());
                assert!(b.read(2, 3000) == pattern(7, 4096)[1..3001]);
                b.write(2, &[0; 3000]);
                victims.fetch_add(1, Ordering::Relaxed);
            }
        });
        let (to_peer, to_hostile) = (peer.as_peer(), hostile.as_peer());
        let mut went = [0u32; 2];
        let mut laps = 0;
        while laps < 300 || victims.load(Ordering::Relaxed) < 10 && laps < 1_000_000 {
            laps += 1;
            let request = SendWr::write(hostile.region.segment(0, 64), open.remote(0));
            for _ in 0..8 {
                hostile.qp.enqueue_send(&request.signaled()).expect("room");
            }
            hostile.qp.ring();
            for _ in 0..8 {
                match hostile.cq.wait_one(LIMIT_NS) {
                    Ok(done) => went[usize::from(done.is_success())] += 1,
                    Err(Error::BrokenCompletion(_)) => went[0] += 1,
                    Err(error) => panic!("{error}"),
                }
            }
            if hostile.device.query_qp(&hostile.qp).expect("an answer") == QpState::Error {
                hostile.reconnect(&to_peer);
                peer.reconnect(&to_hostile);
            }
        }
        stop.store(true, Ordering::Relaxed);
        assert!(went[0] + went[1] == 8 * laps, "{went:?}");
    });
    let after = peer.read(0, before.len());
    assert!(after[..4096] == before[..4096], "below the region");
    assert!(after[8192..] == before[8192..], "above the region");
    assert!(victims.load(Ordering::Relaxed) >= 10);
    let _: Firmware<CpuEngine> = core.stop();
}
