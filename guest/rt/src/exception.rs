//! What happens when the program is interrupted or faults at EL1.
//!
//! An IRQ goes to the handler that the program installed. A synchronous exception is unexpected and
//! ends the guest with a report, unless the program expects it ([`expected`]). A fault outside the
//! guest's stage-2 map never arrives here: EL2 stops the guest.
#![expect(
    unsafe_code,
    reason = "a handler is kept as an address, and DAIF has no safe accessor"
)]
// UNSAFETY: the interrupt handler is stored in an atomic, and turned back into the function it was.

use core::fmt;
use core::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

use aarch64_cpu::registers::{CurrentEL, Readable, TPIDR_EL1};

use crate::gic::{self, IntId};
use crate::vcpu::VCPUS_MAX;
use crate::vectors::{Frame, IRQ, SYNCHRONOUS};
use crate::{hypercall, println};

/// Code a guest exits with after an exception that nobody expected.
pub const UNEXPECTED_EXCEPTION: i32 = 1;

/// What a synchronous exception left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Syndrome {
    /// ESR_EL1.
    pub esr: u64,
    /// FAR_EL1; only meaningful for aborts and alignment faults.
    pub far: u64,
}

impl Syndrome {
    /// Exception class, ESR_EL1\[31:26\].
    pub fn class(self) -> u8 {
        (self.esr >> 26 & 0x3f) as u8
    }

    /// The class in words (Arm ARM, ESR_EL1, EC), for those that a guest meets.
    pub fn class_name(self) -> &'static str {
        match self.class() {
            Self::UNKNOWN => "undefined instruction",
            0x07 => "trapped SIMD access",
            0x18 => "trapped system register",
            0x20 | Self::FETCH_ABORT => "instruction abort",
            0x22 => "misaligned PC",
            0x24 | Self::DATA_ABORT => "data abort",
            0x26 => "misaligned SP",
            0x3c => "breakpoint instruction",
            _ => "other exception",
        }
    }

    /// Class of an undefined instruction.
    pub const UNKNOWN: u8 = 0x00;
    /// Class of an instruction abort at EL1.
    pub const FETCH_ABORT: u8 = 0x21;
    /// Class of a data abort at EL1.
    pub const DATA_ABORT: u8 = 0x25;
}

impl fmt::Display for Syndrome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, ESR {:#010x}, FAR {:#x}",
            self.class_name(),
            self.esr,
            self.far
        )
    }
}

/// One vCPU's expectation of an exception.
struct Expectation {
    armed: AtomicBool,
    met: AtomicBool,
    esr: AtomicU64,
    far: AtomicU64,
}

static EXPECTATIONS: [Expectation; VCPUS_MAX] = [const {
    Expectation {
        armed: AtomicBool::new(false),
        met: AtomicBool::new(false),
        esr: AtomicU64::new(0),
        far: AtomicU64::new(0),
    }
}; VCPUS_MAX];

/// The handler that the program installed; null at first.
static IRQ_HANDLER: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());

/// Index of the vCPU that this code runs on; the entry code keeps it in TPIDR_EL1.
pub fn current_vcpu() -> usize {
    TPIDR_EL1.get() as usize
}

/// The exception level that this code runs at.
pub fn current_level() -> u64 {
    CurrentEL.read(CurrentEL::EL)
}

/// Runs `action`, in which one instruction may cause a synchronous exception. That instruction is
/// skipped (a fetch: returned from) and what it left behind is returned.
pub fn expected(action: impl FnOnce()) -> Option<Syndrome> {
    let mine = &EXPECTATIONS[current_vcpu()];
    mine.met.store(false, Relaxed);
    mine.armed.store(true, Release);
    action();
    mine.armed.store(false, Release);
    mine.met.load(Acquire).then(|| Syndrome {
        esr: mine.esr.load(Relaxed),
        far: mine.far.load(Relaxed),
    })
}

/// Makes `handler` the one that every acknowledged interrupt is given to, between acknowledge and
/// end of interrupt. It runs on the vCPU that was interrupted, with interrupts masked.
pub fn on_interrupt(handler: fn(IntId)) {
    IRQ_HANDLER.store(handler as *mut (), Release);
}

/// Lets IRQs interrupt this vCPU.
pub fn unmask_interrupts() {
    // SAFETY: the vectors are installed before any program code runs.
    unsafe { core::arch::asm!("msr daifclr, #2", options(nostack)) };
}

/// Keeps IRQs pending on this vCPU.
pub fn mask_interrupts() {
    // SAFETY: masking interrupts breaks no memory that Rust knows of.
    unsafe { core::arch::asm!("msr daifset, #2", options(nostack)) };
}

/// Lets SErrors and debug exceptions in, so that they are reported where they happen.
pub(crate) fn unmask_aborts() {
    // SAFETY: the vectors are installed before any program code runs.
    unsafe { core::arch::asm!("msr daifclr, #12", options(nostack)) };
}

/// Called by the vectors with the kind of exception and the saved registers.
pub(crate) extern "C" fn handle(kind: u64, frame: &mut Frame) {
    let syndrome = Syndrome {
        esr: frame.esr,
        far: frame.far,
    };
    match kind {
        IRQ => interrupt(),
        SYNCHRONOUS if EXPECTATIONS[current_vcpu()].armed.swap(false, Acquire) => {
            let mine = &EXPECTATIONS[current_vcpu()];
            mine.esr.store(syndrome.esr, Relaxed);
            mine.far.store(syndrome.far, Relaxed);
            mine.met.store(true, Release);
            // A fetch never reached an instruction to skip: return to the caller.
            frame.elr = if syndrome.class() == Syndrome::FETCH_ABORT {
                frame.x[30]
            } else {
                frame.elr + 4
            };
        }
        _ => unexpected(kind, frame, syndrome),
    }
}

fn interrupt() {
    let Some(taken) = gic::acknowledge() else {
        return;
    };
    let intid = taken.intid();
    let handler = IRQ_HANDLER.load(Acquire);
    if handler.is_null() {
        println!("guest: interrupt {} and no handler", intid.0);
        hypercall::exit(UNEXPECTED_EXCEPTION);
    }
    // SAFETY: what is not null was stored by `on_interrupt`, which takes a `fn(IntId)`.
    let handler = unsafe { core::mem::transmute::<*mut (), fn(IntId)>(handler) };
    handler(intid);
    gic::end(taken);
}

fn unexpected(kind: u64, frame: &Frame, syndrome: Syndrome) -> ! {
    println!(
        "guest: exception of kind {kind}: {syndrome}, PC {:#x}",
        frame.elr
    );
    for (pair, values) in frame.x.chunks(2).enumerate() {
        match values {
            [even, odd] => println!(
                "  x{:<2} {even:#018x}  x{:<2} {odd:#018x}",
                2 * pair,
                2 * pair + 1
            ),
            [last] => println!("  x30 {last:#018x}  SPSR {:#x}", frame.spsr),
            _ => {}
        }
    }
    hypercall::exit(UNEXPECTED_EXCEPTION)
}
