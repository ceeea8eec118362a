//! What is promised of KVM tenants, beside Soft-RoCE and TCP between the same two.
//!
//! One boot: the host counts exits; the tenants measure, and a bare-metal guest does the same by turns
//! (`xtask/linux/*/job-bench.sh`). How long a host takes to boot is measured apart.

use crate::boot_delay::Boot;
use crate::console::Line;
use crate::metrics::{Contest, Limit, Measured, Promise, Ratio, promise};

/// The whole of it.
pub(crate) const CONTEST: Contest = Contest {
    what: "KVM tenants beside Soft-RoCE and TCP",
    job: "bench",
    witness: "kvm-witness",
    boots: "kvm-boot",
    promises: &PROMISES,
    ratios: &RATIOS,
    take,
    add_boots,
};

/// All promises, in the order of the table.
const PROMISES: [Promise; 12] = [
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

/// What follows from the numbers.
const RATIOS: [Ratio; 7] = [
    Ratio::of(RATE_RATIO, "unimux_send_bw_64b", "roce_send_bw_64b_rate"),
    Ratio::of(
        BANDWIDTH_RATIO,
        "unimux_write_bw_1mib",
        "roce_write_bw_1mib_mbps",
    ),
    Ratio::of(LATENCY_RATIO, "roce_write_lat_8b_us", "unimux_write_lat_8b").scaled(1000.0),
    Ratio::of(TCP_RATIO, "unimux_write_bw_1mib", "tcp_mbps"),
    Ratio::of(
        TENANT_LATENCY,
        "unimux_write_lat_8b",
        "partition_write_lat_8b",
    ),
    Ratio::of(TENANT_RATE, "partition_write_bw_64b", "unimux_write_bw_64b"),
    Ratio::of(
        TENANT_SEND_RATE,
        "partition_send_bw_64b",
        "unimux_send_bw_64b",
    ),
];

/// What EL2 logs last before the host runs.
const LAST_LOG: &str = "goes to the host";

/// Takes a number from a line of the run; returns its name.
fn take(measured: &mut Measured, line: &Line) -> Option<String> {
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
fn add_boots(measured: &mut Measured, [with, without]: [Boot; 2]) {
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
            uptime: None,
        };
        add_boots(&mut measured, [boot(1.5, 5.0), boot(1.0, 4.75)]);
        measured.add_ratios(&RATIOS);
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
