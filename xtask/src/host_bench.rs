//! What is promised of KVM tenants, beside Soft-RoCE and TCP between the same two.
//!
//! One boot: the host counts exits, the tenants measure (`xtask/linux/*/job-bench.sh`).

use crate::console::Line;
use crate::metrics::{Limit, Measured, Promise, promise};

/// All promises, in the order of the table.
pub(crate) const PROMISES: [Promise; 7] = [
    promise("kvm_data_path_exits", "exits", Limit::AtMost(0.0)),
    promise(RATE_RATIO, "ratio", Limit::AtLeast(10.0)),
    promise(BANDWIDTH_RATIO, "ratio", Limit::AtLeast(5.0)),
    promise(LATENCY_RATIO, "ratio", Limit::Shown),
    promise(TCP_RATIO, "ratio", Limit::Shown),
    promise(BOOT_DELAY, "s", Limit::AtMost(0.5)),
    promise("kvm_interrupts_meanwhile", "exits", Limit::Shown),
];

const RATE_RATIO: &str = "send_64b_rate_vs_roce";
const BANDWIDTH_RATIO: &str = "write_1mib_bandwidth_vs_roce";
const LATENCY_RATIO: &str = "roce_write_8b_latency_vs_unimux";
const TCP_RATIO: &str = "write_1mib_bandwidth_vs_tcp";
const BOOT_DELAY: &str = "host_boot_delay";

/// The job of hosts that measure.
pub(crate) const JOB: &str = "bench";

/// Ratio, what is divided, by what, and how many units of the second are one of the first.
const RATIOS: [(&str, &str, &str, f64); 4] = [
    (
        RATE_RATIO,
        "unimux_send_bw_64b_requests_per_second",
        "roce_send_bw_64b_rate",
        1.0,
    ),
    (
        BANDWIDTH_RATIO,
        "unimux_write_bw_1mib_mb_per_second",
        "roce_write_bw_1mib_mbps",
        1.0,
    ),
    (
        LATENCY_RATIO,
        "roce_write_lat_8b_us",
        "unimux_write_lat_8b_p50_ns",
        1000.0,
    ),
    (
        TCP_RATIO,
        "unimux_write_bw_1mib_mb_per_second",
        "tcp_mbps",
        1.0,
    ),
];

/// What EL2 logs last before the host runs.
const HANDED_OVER: &str = "goes to the host";

/// Takes a number from a line of the run; returns its name.
pub(crate) fn take(measured: &mut Measured, line: &Line) -> Option<String> {
    match line {
        // The machine's clock begins with the machine: all that the host's kernel waits for Unimux.
        Line::Log {
            time: Some(time),
            message,
            ..
        } if message.contains(HANDED_OVER) => {
            measured.set(BOOT_DELAY, time.trim().parse().ok()?, "s");
            Some(BOOT_DELAY.to_owned())
        }
        Line::Text(text) => {
            // Of a tenant, under its name, or of the host.
            let words = text.split_once("| ").map_or(text.as_str(), |(_, it)| it);
            measured.take_words(words).map(str::to_owned)
        }
        _ => None,
    }
}

/// Adds what follows from the numbers. A ratio of what was not measured is missing.
pub(crate) fn add_ratios(measured: &mut Measured) {
    for (ratio, dividend, divisor, scale) in RATIOS {
        if let (Some(dividend), Some(divisor)) = (measured.value(dividend), measured.value(divisor))
            && dividend.is_finite()
            && divisor.is_finite()
            && divisor > 0.0
        {
            measured.set(ratio, dividend * scale / divisor, "ratio");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_tenants_and_of_the_host_become_ratios() {
        let mut measured = Measured::promising(&PROMISES);
        for text in [
            "alice| metric unimux_send_bw_64b_requests_per_second 5000 messages/s",
            "alice| metric roce_send_bw_64b_rate 250 messages/s",
            "alice| metric unimux_write_bw_1mib_mb_per_second 100 MB/s",
            "alice| metric roce_write_bw_1mib_mbps 0 MB/s",
            "alice| metric unimux_write_lat_8b_p50_ns 2000 ns",
            "alice| metric roce_write_lat_8b_us 100 us",
            "metric kvm_data_path_exits 0 exits",
        ] {
            assert!(take(&mut measured, &Line::Text(text.into())).is_some());
        }
        let line = Line::Log {
            time: Some("0.05".into()),
            core: None,
            level: "info".into(),
            message: "EL2 of this core goes to the host: kernel 0x1".into(),
        };
        take(&mut measured, &line);
        add_ratios(&mut measured);
        assert_eq!(measured.value(RATE_RATIO), Some(20.0));
        assert_eq!(measured.value(LATENCY_RATIO), Some(50.0));
        assert_eq!(measured.value(BOOT_DELAY), Some(0.05));
        assert_eq!(
            measured.value(BANDWIDTH_RATIO),
            None,
            "nothing was measured"
        );
        assert_eq!(measured.value("kvm_data_path_exits"), Some(0.0));
    }
}
