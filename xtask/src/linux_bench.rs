//! What is promised of Linux guests of Unimux's own, beside a bare-metal guest that does the same.
//!
//! One boot: the guests measure, and the witness measures by turns (`xtask/linux/tenant/job-linux-bench.sh`). KVM
//! tenants are compared with the same witness in theirs (`host_bench.rs`), with the same limits. How long a kernel
//! takes to user space is measured apart, with Unimux and without.

use crate::boot_delay::Boot;
use crate::metrics::{Contest, Limit, Measured, Promise, Ratio, promise};

/// The whole of it.
pub(crate) const CONTEST: Contest = Contest {
    what: "Linux guests beside a bare-metal one",
    job: "linux-bench",
    witness: "linux-witness",
    boots: "linux-boot",
    promises: &PROMISES,
    ratios: &RATIOS,
    take: |measured, line| measured.take(line).map(str::to_owned),
    add_boots,
};

/// All promises, in the order of the table.
const PROMISES: [Promise; 8] = [
    promise(EXITS, "exits", Limit::AtMost(0.001)),
    promise("exits_per_interrupt", "exits", Limit::AtMost(2.0)),
    promise(LATENCY, "ratio", Limit::AtMost(1.3)),
    promise(RATE, "ratio", Limit::AtMost(1.3)),
    promise(SEND_RATE, "ratio", Limit::Shown),
    promise(BANDWIDTH, "ratio", Limit::Shown),
    promise(BOOT, "ratio", Limit::AtMost(1.5)),
    promise(BOOT_FROM_START, "ratio", Limit::Shown),
];

/// Of an operation that polls, those of the kernel's timer aside. What is left is the kernel's: its interrupts
/// between cores, some in a second.
const EXITS: &str = "exits_per_operation";
const LATENCY: &str = "linux_write_8b_latency_vs_partition";
const RATE: &str = "partition_write_64b_rate_vs_linux";
const SEND_RATE: &str = "partition_send_64b_rate_vs_linux";
/// What scattered pages cost: the witness has its memory in one piece.
const BANDWIDTH: &str = "partition_write_1mib_bandwidth_vs_linux";
const BOOT: &str = "linux_boot_vs_bare";
const BOOT_FROM_START: &str = "linux_boot_from_start_vs_bare";

/// What follows from the numbers.
const RATIOS: [Ratio; 4] = [
    Ratio::of(LATENCY, "unimux_write_lat_8b", "partition_write_lat_8b"),
    Ratio::of(RATE, "partition_write_bw_64b", "unimux_write_bw_64b"),
    Ratio::of(SEND_RATE, "partition_send_bw_64b", "unimux_send_bw_64b"),
    Ratio::of(BANDWIDTH, "partition_write_bw_1mib", "unimux_write_bw_1mib"),
];

/// Adds how much longer a guest's kernel takes to user space than the same kernel alone.
fn add_boots(measured: &mut Measured, [with, without]: [Boot; 2]) {
    let times = [
        (BOOT, "linux_boot", with.uptime, without.uptime),
        (
            BOOT_FROM_START,
            "linux_boot_from_start",
            with.init,
            without.init,
        ),
    ];
    for (ratio, name, with, without) in times {
        if let (Some(with), Some(without)) = (with, without) {
            measured.set(name, with, "s");
            measured.set(&format!("{name}_bare"), without, "s");
            measured.set(ratio, with / without, "ratio");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::Line;

    #[test]
    fn numbers_of_guests_become_ratios() {
        let mut measured = Measured::promising(&PROMISES);
        for text in [
            "metric unimux_write_lat_8b 1200 ns",
            "metric partition_write_lat_8b 1000 ns",
            "metric exits_per_operation 0.0002 exits",
        ] {
            let text = text.to_owned();
            assert!((CONTEST.take)(&mut measured, &Line::Guest { index: 0, text }).is_some());
        }
        let boot = |init, uptime| Boot {
            first_line: None,
            init: Some(init),
            uptime: Some(uptime),
        };
        add_boots(&mut measured, [boot(4.0, 3.0), boot(2.0, 2.0)]);
        measured.add_ratios(&RATIOS);
        assert_eq!(measured.value(LATENCY), Some(1.2));
        assert_eq!(measured.value(BOOT), Some(1.5));
        assert_eq!(measured.value(BOOT_FROM_START), Some(2.0));
        assert_eq!(measured.value(BANDWIDTH), None, "nothing was measured");
    }
}
