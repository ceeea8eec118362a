//! What holds for a ring in every interleaving and every memory order that the model allows.
//!
//! Run it with `RUSTFLAGS="--cfg loom" cargo test -p unimux-ring --release`; without that flag
//! there is nothing here.
#![cfg(loom)]

use loom::sync::Arc;
use loom::thread;
use unimux_ring::sync::{AtomicU64, Ordering};
use unimux_ring::{Consumer, Line, NoRoom, Producer, store_then_load};

/// A ring in memory that both sides reach, and the consumer's count.
struct Shared {
    lines: Vec<Line<2>>,
    consumed: AtomicU64,
    armed: AtomicU64,
    interrupts: AtomicU64,
}

fn shared(entries: usize) -> Arc<Shared> {
    Arc::new(Shared {
        lines: (0..entries)
            .map(|_| [AtomicU64::new(0), AtomicU64::new(0)])
            .collect(),
        consumed: AtomicU64::new(0),
        armed: AtomicU64::new(0),
        interrupts: AtomicU64::new(0),
    })
}

#[test]
fn records_arrive_whole_and_in_order() {
    loom::model(|| {
        let memory = shared(1);
        let peer = Arc::clone(&memory);
        let filler = thread::spawn(move || {
            let mut producer = Producer::new(&peer.lines, &peer.consumed).unwrap();
            let mut filled = 0;
            for _ in 0..3 {
                match producer.push([0, 100 + filled]) {
                    Ok(()) => filled += 1,
                    Err(NoRoom::Full) => thread::yield_now(),
                    Err(NoRoom::Broken) => panic!("an honest consumer is never broken"),
                }
            }
            filled
        });
        let mut consumer = Consumer::new(&memory.lines).unwrap();
        let mut taken = 0;
        for _ in 0..3 {
            if let Some([_, word]) = consumer.take() {
                assert_eq!(
                    word,
                    100 + taken,
                    "a record that is torn, stale or out of order"
                );
                taken += 1;
                memory.consumed.store(taken, Ordering::Release);
            } else {
                thread::yield_now();
            }
        }
        let filled = filler.join().unwrap();
        assert!(taken <= filled);
    });
}

#[test]
fn who_arms_and_finds_nothing_is_woken() {
    loom::model(|| {
        let memory = shared(2);
        let firmware = Arc::clone(&memory);
        let completing = thread::spawn(move || {
            let mut producer = Producer::new(&firmware.lines, &firmware.consumed).unwrap();
            producer.push([0, 7]).unwrap();
            store_then_load();
            if firmware.armed.load(Ordering::Relaxed) != 0 {
                firmware.interrupts.store(1, Ordering::Release);
            }
        });
        let mut consumer = Consumer::new(&memory.lines).unwrap();
        memory.armed.store(1, Ordering::Relaxed);
        store_then_load();
        let found = consumer.take().is_some();
        completing.join().unwrap();
        let woken = memory.interrupts.load(Ordering::Acquire) == 1;
        assert!(
            found || woken,
            "the guest sleeps for ever on a completion that is there"
        );
    });
}
