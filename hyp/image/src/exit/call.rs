//! HVC and SMC: PSCI, SMCCC, and Unimux's own calls.

use unimux_paravirt::{ExitReason, hypercall};
use unimux_trap::{
    Call, NOT_SUPPORTED, Registers, SMCCC_1_1,
    psci::{ErrorCode, Function},
    psci_result, trng,
};

use super::Outcome;
use crate::{
    baseline,
    guest::{
        Guest,
        lifecycle::End,
        power::{Affinity, NotStarted},
    },
};

/// PSCI 1.1 (DEN0022, 5.3).
const PSCI_VERSION: u64 = 0x1_0001;
/// MIGRATE_INFO_TYPE: no trusted OS that would have to migrate (DEN0022, 5.10.3).
const NO_MIGRATION: u64 = 2;

/// Answers a call.
pub(super) fn handle(guest: &Guest, vcpu: usize, registers: &Registers) -> (ExitReason, Outcome) {
    match Call::decode(registers) {
        Call::Psci(function) => (ExitReason::Psci, psci(guest, vcpu, function)),
        Call::PsciRefused(error) => (ExitReason::Psci, Outcome::answer(psci_result(Err(error)))),
        Call::Trng(call) => (ExitReason::Psci, random(guest, call)),
        Call::SmcccVersion => (ExitReason::Psci, Outcome::answer(SMCCC_1_1)),
        Call::ArchFeatures { function } => {
            // SMCCC_VERSION and SMCCC_ARCH_FEATURES (DEN0028, 7.2, 7.3).
            let known = matches!(function, 0x8000_0000 | 0x8000_0001);
            (
                ExitReason::Psci,
                Outcome::answer(if known { 0 } else { NOT_SUPPORTED }),
            )
        }
        Call::VendorCallCount => (
            ExitReason::Hypercall,
            Outcome::answer(u64::from(hypercall::CALLS)),
        ),
        Call::VendorUid => (
            ExitReason::Hypercall,
            Outcome::Answer(hypercall::UID.map(u64::from), 4),
        ),
        Call::VendorRevision => {
            let (major, minor) = hypercall::REVISION;
            let values = [u64::from(major), u64::from(minor), 0, 0];
            (ExitReason::Hypercall, Outcome::Answer(values, 2))
        }
        Call::Vendor {
            function,
            arguments,
        } => vendor(guest, function, &arguments),
        Call::Unknown { .. } => (ExitReason::UnknownCall, Outcome::answer(NOT_SUPPORTED)),
    }
}

fn random(guest: &Guest, call: Result<trng::Function, ErrorCode>) -> Outcome {
    use trng::Function as Trng;
    match call {
        Ok(Trng::Version) => Outcome::answer(trng::VERSION_1_0),
        Ok(Trng::Features { function }) if Trng::is_served(function) => Outcome::answer(0),
        Ok(Trng::Features { .. }) => Outcome::answer(NOT_SUPPORTED),
        Ok(Trng::GetUuid) => Outcome::Answer(trng::UUID, 4),
        Ok(Trng::Random(amount)) => {
            Outcome::Answer(amount.answer(guest.random.lock().numbers()), 4)
        }
        Err(error) => Outcome::answer(psci_result(Err(error))),
    }
}

fn vendor(guest: &Guest, function: u32, arguments: &[u64; 6]) -> (ExitReason, Outcome) {
    let [first, second, third, fourth, ..] = *arguments;
    let outcome = match function {
        hypercall::EXIT => Outcome::End(End::Exited(first)),
        hypercall::BASELINE_COPY if guest.baseline => baseline::copy(guest, first, second, third),
        hypercall::BASELINE_RELAY if guest.baseline => baseline::relay(guest, first, second),
        #[cfg(feature = "dma")]
        hypercall::BASELINE_CROSSOVER if guest.baseline => baseline::crossover(first),
        hypercall::BASELINE_HVC_WRITE if guest.baseline => {
            baseline::mediated_write(guest, first, second, third, fourth)
        }
        _ => return (ExitReason::UnknownCall, Outcome::answer(NOT_SUPPORTED)),
    };
    (ExitReason::Hypercall, outcome)
}

fn psci(guest: &Guest, vcpu: usize, function: Function) -> Outcome {
    let answer = |result| Outcome::answer(psci_result(result));
    match function {
        Function::Version => Outcome::answer(PSCI_VERSION),
        Function::CpuOn {
            target,
            entry,
            context,
        } => {
            let Some(target) = vcpu_of(guest, target) else {
                return answer(Err(ErrorCode::InvalidParameters));
            };
            // An instruction outside of its RAM is one that the guest cannot have.
            if !entry.is_multiple_of(4) || guest.memory(entry, 4).is_none() {
                return answer(Err(ErrorCode::InvalidAddress));
            }
            let started = guest.vcpus[target].start(entry, context);
            if started.is_ok() {
                guest.kick(target);
            }
            answer(started.map_err(|reason| match reason {
                NotStarted::AlreadyOn => ErrorCode::AlreadyOn,
                NotStarted::OnPending => ErrorCode::OnPending,
            }))
        }
        Function::CpuStandby => Outcome::Standby,
        Function::CpuOff => {
            guest.vcpus[vcpu].set_off();
            Outcome::VcpuOff
        }
        Function::AffinityInfo {
            target,
            lowest_level,
        } => {
            // Levels above 0 are optional in PSCI 1.0, and Unimux has none.
            let target = vcpu_of(guest, target).filter(|_| lowest_level == 0);
            match target.map(|target| guest.vcpus[target].affinity_info()) {
                Some(Affinity::On) => Outcome::answer(0),
                Some(Affinity::Off) => Outcome::answer(1),
                Some(Affinity::OnPending) => Outcome::answer(2),
                None => answer(Err(ErrorCode::InvalidParameters)),
            }
        }
        Function::MigrateInfoType => Outcome::answer(NO_MIGRATION),
        Function::SystemOff => Outcome::End(End::Off),
        Function::SystemReset => Outcome::End(End::Reset),
        Function::Features { function } if Function::is_served(function) => answer(Ok(())),
        Function::Features { .. } => answer(Err(ErrorCode::NotSupported)),
    }
}

/// vCPUs have their number in affinity level 0, and zeros above.
fn vcpu_of(guest: &Guest, affinity: u64) -> Option<usize> {
    let index = usize::try_from(affinity).ok()?;
    (index < guest.vcpus.len()).then_some(index)
}
