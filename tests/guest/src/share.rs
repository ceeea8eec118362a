//! How much of its core a vCPU has, as it sees itself: the clock jumps while others have it.

use core::ops::Range;

use unimux_guest_rt::clock;

/// A longer time between two looks at the clock is somebody else's turn.
const GAP_NS: u64 = 1_000_000;

/// Spins until the end of the interval, by the machine's clock, and returns how many thousandths of it
/// this vCPU had.
pub fn per_mille(of_ns: Range<u64>) -> u64 {
    let (mut last, mut had) = (clock::now_ns(), 0);
    while last < of_ns.end {
        let now = clock::now_ns();
        if now - last < GAP_NS && of_ns.contains(&last) {
            had += now - last;
        }
        last = now;
    }
    1000 * had / (of_ns.end - of_ns.start)
}
