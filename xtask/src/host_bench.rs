//! What is promised of KVM tenants, beside Soft-RoCE and TCP between the same two.
//!
//! One boot: the host counts exits; the tenants measure, and a bare-metal guest does the same by turns
//! (`xtask/linux/*/job-bench.sh`). How long a host takes to boot is measured apart.

use crate::boot_delay::Boot;
use crate::console::Line;
use crate::metrics::{Limit, Measured, Promise, promise};

/// All promises, in the order of the table.
pub(crate) const PROMISES: [Promise; 12] = [
    promise("kvm_data_path_exits", "exits", Limit::AtMost(0.0)),
    promise(RATE_RATIO, "ratio", Limit::AtLeast(10.0)),
    promise(BANDWIDTH_RATIO, "ratio", Limit::AtLeast(5.0)),
    promise(LATENCY_RATIO, "ratio", Limit::Shown),
    promise(TCP_RATIO, "ratio", Limit::Shown),
    promise(TENANT_LATENCY, "ratio", Limit::AtMost(1.3)),
    promise(TENANT_RATE, "ratio", Limit::AtMost(1.3)),
    promise(TENANT_SEND_RATE, "ratio", Limit::Shown),
    promise(BOOT_DELAY, "s", Limit::AtMost(0.5)),
    promise(FIRST_LINE_DELAY, "s", Limit::AtMost(0.5)),
    promise(HANDED_OVER, "s", Limit::Shown),
    promise("kvm_interrupts_meanwhile", "exits", Limit::Shown),
];

const RATE_RATIO: &str = "send_64b_rate_vs_roce";
const BANDWIDTH_RATIO: &str = "write_1mib_bandwidth_vs_roce";
const LATENCY_RATIO: &str = "roce_write_8b_latency_vs_unimux";
const TCP_RATIO: &str = "write_1mib_bandwidth_vs_tcp";
const TENANT_LATENCY: &str = "tenant_write_8b_latency_vs_partition";
const TENANT_RATE: &str = "partition_write_64b_rate_vs_tenant";
const TENANT_SEND_RATE: &str = "partition_send_64b_rate_vs_tenant";
const BOOT_DELAY: &str = "host_boot_delay";
const FIRST_LINE_DELAY: &str = "host_first_line_delay";
const HANDED_OVER: &str = "host_handed_over_after";

/// The guest that measures the same as a tenant, beside the host.
pub(crate) const WITNESS: &str = "kvm-witness";

/// The job of hosts that measure.
pub(crate) const JOB: &str = "bench";

/// Ratio, what is divided, by what, and how many units of the second are one of the first.
const RATIOS: [(&str, &str, &str, f64); 7] = [
    (
        RATE_RATIO,
        "unimux_send_bw_64b",
        "roce_send_bw_64b_rate",
        1.0,
    ),
    (
        BANDWIDTH_RATIO,
        "unimux_write_bw_1mib",
        "roce_write_bw_1mib_mbps",
        1.0,
    ),
    (
        LATENCY_RATIO,
        "roce_write_lat_8b_us",
        "unimux_write_lat_8b",
        1000.0,
    ),
    (TCP_RATIO, "unimux_write_bw_1mib", "tcp_mbps", 1.0),
    (
        TENANT_LATENCY,
        "unimux_write_lat_8b",
        "partition_write_lat_8b",
        1.0,
    ),
    (
        TENANT_RATE,
        "partition_write_bw_64b",
        "unimux_write_bw_64b",
        1.0,
    ),
    (
        TENANT_SEND_RATE,
        "partition_send_bw_64b",
        "unimux_send_bw_64b",
        1.0,
    ),
];

/// What EL2 logs last before the host runs.
const LAST_LOG: &str = "goes to the host";

/// Takes a number from a line of the run; returns its name.
pub(crate) fn take(measured: &mut Measured, line: &Line) -> Option<String> {
    match line {
        // The machine's clock begins with the machine.
        Line::Log {
            time: Some(time),
            message,
            ..
        } if message.contains(LAST_LOG) => {
            measured.set(HANDED_OVER, time.trim().parse().ok()?, "s");
            Some(HANDED_OVER.to_owned())
        }
        Line::Text(text) => {
            // Of a tenant, under its name, or of the host.
            let words = text.split_once("| ").map_or(text.as_str(), |(_, it)| it);
            measured.take_words(words).map(str::to_owned)
        }
        _ => None,
    }
}

/// Adds by how much a host with Unimux boots later than one without.
pub(crate) fn add_delays(measured: &mut Measured, [with, without]: [Boot; 2]) {
    let times = [
        (FIRST_LINE_DELAY, with.first_line, without.first_line),
        (BOOT_DELAY, with.init, without.init),
    ];
    for (delay, with, without) in times {
        if let (Some(with), Some(without)) = (with, without) {
            measured.set(delay, with - without, "s");
        }
    }
    if let (Some(with), Some(without)) = (with.init, without.init) {
        measured.set("host_init_after", with, "s");
        measured.set("host_init_after_without_unimux", without, "s");
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
            "alice| metric unimux_send_bw_64b 5000 messages/s",
            "alice| metric roce_send_bw_64b_rate 250 messages/s",
            "alice| metric unimux_write_bw_1mib 100 MB/s",
            "alice| metric roce_write_bw_1mib_mbps 0 MB/s",
            "alice| metric unimux_write_lat_8b 2000 ns",
            "alice| metric partition_write_lat_8b 1600 ns",
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
        let boot = |first_line, init| Boot {
            first_line: Some(first_line),
            init: Some(init),
        };
        add_delays(&mut measured, [boot(1.5, 5.0), boot(1.0, 4.75)]);
        add_ratios(&mut measured);
        assert_eq!(measured.value(RATE_RATIO), Some(20.0));
        assert_eq!(measured.value(TENANT_LATENCY), Some(1.25));
        assert_eq!(measured.value(LATENCY_RATIO), Some(50.0));
        assert_eq!(measured.value(HANDED_OVER), Some(0.05));
        assert_eq!(measured.value(FIRST_LINE_DELAY), Some(0.5));
        assert_eq!(measured.value(BOOT_DELAY), Some(0.25));
        assert_eq!(
            measured.value(BANDWIDTH_RATIO),
            None,
            "nothing was measured"
        );
        assert_eq!(measured.value("kvm_data_path_exits"), Some(0.0));
    }
}
