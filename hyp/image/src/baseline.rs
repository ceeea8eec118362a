//! Measurement baselines: what the engine core could do if it did nothing else.
//!
//! Served only when the scenario says `baseline`. One at a time: a second caller is told so. A guest
//! core posts a request and the engine core, which looks once a round, carries it out between two
//! rounds of the firmware, so nothing here is on the way of a request.

use unimux_abi::doorbell;
use unimux_el2::{lock::Lock, time};
use unimux_engine::{Copy, cpu};
#[cfg(feature = "dma")]
use unimux_engine_core::CoreEngine;
use unimux_memory::Span;
use unimux_paravirt::hypercall::{
    BUSY, HVC_WRITE_PATIENCE_MS, INVALID_PARAMETER, RELAY_ANSWER_OFFSET, RELAY_PATIENCE_MS,
    SUCCESS, TIMED_OUT,
};

use core::sync::atomic::Ordering;

#[cfg(feature = "dma")]
use crate::dma;
use crate::{
    exit::Outcome,
    guest::{Guest, lifecycle},
};

#[derive(Clone, Copy, Debug)]
enum Baseline {
    /// Nobody wants anything.
    Idle,
    /// Copy; then `Copied`.
    Copy(Copy),
    /// Done, in this many ticks and cycles.
    Copied(u64, u64),
    /// Answer flags; first `Relaying`, then `Idle`.
    Relay {
        flag: Span,
        answer: Span,
        count: u64,
    },
    /// The engine core is answering.
    Relaying,
    #[cfg(feature = "dma")]
    /// Another crossover; then `CrossedOver`.
    Crossover(u32),
    #[cfg(feature = "dma")]
    /// Cycles of the engine core so far, if there is an engine to which it means something.
    CrossedOver(Option<u64>),
}

static BASELINE: Lock<Baseline> = Lock::new(Baseline::Idle);

/// Posts a request, if no other is being served.
fn post(request: Baseline) -> bool {
    let mut baseline = BASELINE.lock();
    if !matches!(*baseline, Baseline::Idle) {
        return false;
    }
    *baseline = request;
    drop(baseline);
    lifecycle::call_engine();
    true
}

const fn status(status: i64) -> Outcome {
    Outcome::answer(status.cast_unsigned())
}

/// BASELINE_COPY.
pub(crate) fn copy(guest: &Guest, destination: u64, source: u64, len_bytes: u64) -> Outcome {
    let overlap = destination.abs_diff(source) < len_bytes;
    let spans = guest
        .memory(source, len_bytes)
        .zip(guest.memory(destination, len_bytes));
    let copy = spans.and_then(|(source, destination)| Copy::new(source, destination).ok());
    let (Some(copy), false) = (copy, overlap) else {
        return status(INVALID_PARAMETER);
    };
    if !post(Baseline::Copy(copy)) {
        return status(BUSY);
    }
    loop {
        let mut baseline = BASELINE.lock();
        if let Baseline::Copied(ticks, cycles) = *baseline {
            *baseline = Baseline::Idle;
            return Outcome::Answer([SUCCESS.cast_unsigned(), ticks, cycles, 0], 3);
        }
        drop(baseline);
        time::yield_now();
    }
}

/// BASELINE_RELAY.
pub(crate) fn relay(guest: &Guest, flag: u64, count: u64) -> Outcome {
    let answer = flag.checked_add(RELAY_ANSWER_OFFSET);
    let spans = guest
        .memory(flag, 8)
        .zip(answer.and_then(|answer| guest.memory(answer, 8)));
    let (Some((flag, answer)), true) = (spans, flag.is_multiple_of(64)) else {
        return status(INVALID_PARAMETER);
    };
    if !post(Baseline::Relay {
        flag,
        answer,
        count,
    }) {
        return status(BUSY);
    }
    while matches!(*BASELINE.lock(), Baseline::Relay { .. }) {
        time::yield_now();
    }
    status(SUCCESS)
}

/// BASELINE_CROSSOVER.
#[cfg(feature = "dma")]
pub(crate) fn crossover(crossover_bytes: u64) -> Outcome {
    let Ok(crossover_bytes) = u32::try_from(crossover_bytes) else {
        return status(INVALID_PARAMETER);
    };
    if !post(Baseline::Crossover(crossover_bytes)) {
        return status(BUSY);
    }
    loop {
        let mut baseline = BASELINE.lock();
        if let Baseline::CrossedOver(cycles) = *baseline {
            *baseline = Baseline::Idle;
            return match cycles {
                Some(cycles) => Outcome::Answer([SUCCESS.cast_unsigned(), cycles, 0, 0], 2),
                None => status(INVALID_PARAMETER),
            };
        }
        drop(baseline);
        time::yield_now();
    }
}

/// BASELINE_HVC_WRITE, on the guest's core.
pub(crate) fn mediated_write(
    guest: &Guest,
    ring: u64,
    ipa: u64,
    mask: u64,
    expected: u64,
) -> Outcome {
    let word = guest.memory(ipa, 8).and_then(|span| span.word(0));
    let (Some(word), Some(bell)) = (word, guest.doorbell.word(doorbell::RING)) else {
        return status(INVALID_PARAMETER);
    };
    // Release: the guest's request is in memory before the bell rings, as its own barrier may have
    // been left to us.
    bell.store(ring, Ordering::Release);
    time::send_event();
    let until = time::ticks() + time::ticks_in_ms(HVC_WRITE_PATIENCE_MS);
    loop {
        for _ in 0..1024 {
            if word.load(Ordering::Acquire) & mask == expected {
                return status(SUCCESS);
            }
            time::yield_now();
        }
        if time::ticks() > until {
            return status(TIMED_OUT);
        }
    }
}

/// On the engine core: carries out what was posted.
pub(crate) fn serve(
    #[cfg(feature = "dma")] engine: &mut CoreEngine,
    #[cfg(feature = "dma")] busy_cycles: &mut Option<u64>,
) {
    let posted = *BASELINE.lock();
    match posted {
        Baseline::Copy(copy) => {
            let before = (time::ticks(), time::cycles());
            cpu::copy_now(copy);
            let after = (time::ticks(), time::cycles());
            *BASELINE.lock() = Baseline::Copied(after.0 - before.0, after.1.wrapping_sub(before.1));
        }
        Baseline::Relay {
            flag,
            answer,
            count,
        } => {
            let words = flag.word(0).zip(answer.word(0));
            let (flag, answer) = words.expect("both are aligned words of the guest's RAM");
            let mut last = flag.load(Ordering::Acquire);
            *BASELINE.lock() = Baseline::Relaying;
            let patience = time::ticks_in_ms(RELAY_PATIENCE_MS);
            for _ in 0..count {
                let Some(value) = next_value(flag, last, patience) else {
                    break;
                };
                answer.store(value, Ordering::Release);
                last = value;
            }
            *BASELINE.lock() = Baseline::Idle;
        }
        #[cfg(feature = "dma")]
        Baseline::Crossover(bytes) => {
            let is_there = dma::set_crossover(engine, bytes);
            let cycles = is_there.then(|| *busy_cycles.get_or_insert(0));
            *BASELINE.lock() = Baseline::CrossedOver(cycles);
        }
        #[cfg(feature = "dma")]
        Baseline::CrossedOver(_) => {}
        Baseline::Idle | Baseline::Copied(..) | Baseline::Relaying => {}
    }
}

/// Waits for a value other than `last`. The clock is read only if that takes long, as a bare relay
/// would not read it.
fn next_value(flag: &core::sync::atomic::AtomicU64, last: u64, patience: u64) -> Option<u64> {
    let mut begun = None;
    loop {
        for _ in 0..1024 {
            let value = flag.load(Ordering::Acquire);
            if value != last {
                return Some(value);
            }
            time::yield_now();
        }
        let now = time::ticks();
        if now - *begun.get_or_insert(now) > patience {
            return None;
        }
    }
}
