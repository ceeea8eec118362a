//! PSCI answers as the specification says (DEN0022), by HVC and by SMC alike.
#![no_std]
#![no_main]

use unimux_guest_rt::psci::numbers::{
    PSCI_AFFINITY_INFO_32, PSCI_AFFINITY_INFO_64, PSCI_CPU_FREEZE, PSCI_CPU_OFF, PSCI_CPU_ON_32,
    PSCI_CPU_ON_64, PSCI_CPU_SUSPEND_32, PSCI_CPU_SUSPEND_64, PSCI_FEATURES, PSCI_MIGRATE_64,
    PSCI_STAT_COUNT_64, PSCI_SYSTEM_OFF, PSCI_SYSTEM_RESET, PSCI_VERSION,
};
use unimux_guest_rt::psci::{self, affinity, status};
use unimux_guest_rt::{Guest, clock, entry, gic, timer, vcpu};
use unimux_guest_tests::Checks;
use unimux_guest_tests::wait::comes_true;

entry!(main);

/// MPIDR_EL1 as a core reads it: bit 31 is RES1 (Arm ARM, MPIDR_EL1).
const MPIDR_RES1: u64 = 1 << 31;

/// power_state in its original format (DEN0022, 5.4.2): StateID 15:0, StateType 16, PowerLevel 25:24.
const STANDBY: u64 = 0;
const POWER_DOWN: u64 = 1 << 16;
const CLUSTER_STANDBY: u64 = 1 << 24;
const STANDBY_NS: u64 = 2_000_000;

fn main(_: Guest) -> i32 {
    let mut checks = Checks::new();
    gic::start();
    gic::enable(timer::INTID);
    for (by, call) in [
        ("HVC", psci::by_hvc as fn(u32, [u64; 3]) -> i64),
        ("SMC", psci::by_smc),
    ] {
        checks.holds(by, true);
        let version = call(PSCI_VERSION, [0; 3]);
        checks.equal("the major version is 1", version >> 16, 1);
        for function in [
            PSCI_VERSION,
            PSCI_CPU_SUSPEND_64,
            PSCI_CPU_OFF,
            PSCI_CPU_ON_64,
            PSCI_AFFINITY_INFO_64,
            PSCI_SYSTEM_OFF,
            PSCI_SYSTEM_RESET,
            PSCI_FEATURES,
        ] {
            let there = call(PSCI_FEATURES, [function.into(), 0, 0]);
            checks.equal("a function that there must be is there", there, 0);
        }
        for function in [
            PSCI_MIGRATE_64,
            PSCI_CPU_FREEZE,
            PSCI_STAT_COUNT_64,
            0x8400_001e,
        ] {
            let there = call(PSCI_FEATURES, [function.into(), 0, 0]);
            checks.equal(
                "FEATURES denies what is not there",
                there,
                status::NOT_SUPPORTED,
            );
            let called = call(function, [0; 3]);
            checks.equal("and it is not there", called, status::NOT_SUPPORTED);
        }
        let me = call(PSCI_AFFINITY_INFO_64, [0, 0, 0]);
        checks.equal("this vCPU is on", me, affinity::ON);
        let other = call(PSCI_AFFINITY_INFO_32, [1, 0, 0]);
        checks.equal("the other is off", other, affinity::OFF);
        let nobody = call(PSCI_AFFINITY_INFO_64, [0x0100, 0, 0]);
        checks.equal(
            "another cluster is nobody",
            nobody,
            status::INVALID_PARAMETERS,
        );
        let level = call(PSCI_AFFINITY_INFO_64, [0, 9, 0]);
        checks.equal(
            "there is no affinity level 9",
            level,
            status::INVALID_PARAMETERS,
        );
        let again = call(PSCI_CPU_ON_64, [0, vcpu::secondary_entry(), 0]);
        checks.equal("who runs is on already", again, status::ALREADY_ON);
        let nobody = call(PSCI_CPU_ON_32, [9, 0, 0]);
        checks.equal(
            "vCPU 9 cannot be started",
            nobody,
            status::INVALID_PARAMETERS,
        );
    }

    for function in [PSCI_CPU_SUSPEND_32, PSCI_CPU_SUSPEND_64] {
        let began = clock::now_ns();
        timer::interrupt_in(STANDBY_NS);
        let ended = psci::by_hvc(function, [STANDBY, 0, 0]);
        checks.equal("standby ends with success", ended, status::SUCCESS);
        let asleep = clock::now_ns() - began >= STANDBY_NS;
        checks.holds("when there is an interrupt, which is masked", asleep);
        let again = psci::by_hvc(function, [STANDBY, 0, 0]);
        checks.equal("at once while it is pending", again, status::SUCCESS);
        let taken = gic::wait(|_| timer::stop());
        checks.equal("and the interrupt is there to take", taken, timer::INTID);
        for state in [POWER_DOWN, CLUSTER_STANDBY, 1] {
            let refused = psci::by_hvc(function, [state, 0, 0]);
            checks.equal("no other state", refused, status::INVALID_PARAMETERS);
        }
    }

    vcpu::prepare(1, |_| {}, 0);
    let started = psci::cpu_on(1 | MPIDR_RES1, vcpu::secondary_entry(), 1);
    checks.equal(
        "an MPIDR with its RES1 bit names a vCPU",
        started,
        status::SUCCESS,
    );
    checks.holds("it stops again", comes_true(|| !vcpu::is_on(1)));
    let nowhere = psci::cpu_on(1, 0x10, 1);
    checks.equal(
        "an entry outside RAM is refused",
        nowhere,
        status::INVALID_ADDRESS,
    );
    checks.code()
}
