//! The vendor hypercalls, as functions. None of them is on the data path.

use smccc::hvc64;
use unimux_paravirt::hypercall::{
    BASELINE_COPY, BASELINE_CROSSOVER, BASELINE_HVC_WRITE, BASELINE_RELAY, EXIT, SUCCESS,
};

use crate::{barrier, println, psci};

/// The status that a hypercall refused with; [`unimux_paravirt::hypercall`] has the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused(pub i64);

/// What the engine core measured of its own copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyCost {
    /// Ticks of the system counter (CNTPCT, CNTFRQ per second).
    pub ticks: u64,
    /// Cycles of PMCCNTR.
    pub cycles: u64,
}

/// Calls `function` by HVC with up to six arguments and returns x0 to x3.
pub fn call(function: u32, arguments: &[u64]) -> [u64; 4] {
    let mut registers = [0; 17];
    registers[..arguments.len()].copy_from_slice(arguments);
    let results = hvc64(function, registers);
    [results[0], results[1], results[2], results[3]]
}

fn checked(results: [u64; 4]) -> Result<[u64; 4], Refused> {
    match results[0].cast_signed() {
        SUCCESS => Ok(results),
        status => Err(Refused(status)),
    }
}

/// Ends the guest with `code`; zero says that all went well. On a machine without Unimux it prints
/// the code and switches the machine off.
pub fn exit(code: i32) -> ! {
    call(EXIT, &[u64::from(code.cast_unsigned())]);
    println!("guest: exit code {code}");
    psci::system_off();
    loop {
        barrier::wait_for_interrupt();
    }
}

/// Has the engine core copy `len_bytes` from IPA `source` to IPA `destination`, the way a copy
/// without any RDMA would be.
///
/// # Errors
/// The status, if the scenario does not allow it or a range is not in the guest's RAM.
pub fn baseline_copy(destination: u64, source: u64, len_bytes: u64) -> Result<CopyCost, Refused> {
    let [_, ticks, cycles, _] = checked(call(BASELINE_COPY, &[destination, source, len_bytes]))?;
    Ok(CopyCost { ticks, cycles })
}

/// Has the engine core answer `answers` changes of the flag at IPA `flag`; returns when it is
/// watching.
///
/// # Errors
/// The status, if the scenario does not allow it or the engine core is busy with another baseline.
pub fn baseline_relay(flag: u64, answers: u64) -> Result<(), Refused> {
    checked(call(BASELINE_RELAY, &[flag, answers])).map(drop)
}

/// Has requests of `crossover_bytes` and more left to the machine's DMA engine from now on. Returns
/// the cycles that the engine core has spent on requests and commands so far.
///
/// # Errors
/// The status, if the scenario does not allow it or there is no DMA engine.
pub fn baseline_crossover(crossover_bytes: u64) -> Result<u64, Refused> {
    let [_, cycles, ..] = checked(call(BASELINE_CROSSOVER, &[crossover_bytes]))?;
    Ok(cycles)
}

/// Has EL2 ring the doorbell with `ring` and wait until the word at IPA `word`, masked by `mask`,
/// equals `wanted`: one request mediated by a hypercall.
///
/// # Errors
/// The status, if the scenario does not allow it or the completion did not come.
pub fn baseline_hvc_write(ring: u64, word: u64, mask: u64, wanted: u64) -> Result<(), Refused> {
    checked(call(BASELINE_HVC_WRITE, &[ring, word, mask, wanted])).map(drop)
}
