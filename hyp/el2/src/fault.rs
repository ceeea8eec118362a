//! An exception that EL2 took from itself: a bug of Unimux.
//!
//! Only the way to a handler is here. What is said and how the run ends is the image's business.

use spin::Once;

/// Registers at the exception, as the vectors store them.
#[derive(Clone, Debug)]
#[repr(C, align(16))]
pub struct OwnFault {
    /// x0 to x30.
    pub x: [u64; 31],
    /// The stack pointer.
    pub sp: u64,
    /// Where.
    pub elr: u64,
    /// PSTATE.
    pub spsr: u64,
    /// Syndrome.
    pub esr: u64,
    /// Faulting address, if the syndrome has one.
    pub far: u64,
}

const _: () = {
    assert!(size_of::<OwnFault>() == 288);
    assert!(core::mem::offset_of!(OwnFault, sp) == 248);
};

/// Which of the four vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VectorKind {
    /// Synchronous: abort, undefined instruction, …
    Synchronous,
    /// IRQ.
    Irq,
    /// FIQ.
    Fiq,
    /// SError.
    SError,
}

impl VectorKind {
    /// The kind that the vectors number `kind`.
    ///
    /// # Panics
    /// If they number none so.
    pub(crate) fn from_vector(kind: u64) -> Self {
        match kind {
            0 => Self::Synchronous,
            1 => Self::Irq,
            2 => Self::Fiq,
            3 => Self::SError,
            _ => unreachable!("the vectors pass 0 to 3"),
        }
    }

    /// As the Arm ARM calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Synchronous => "Synchronous",
            Self::Irq => "IRQ",
            Self::Fiq => "FIQ",
            Self::SError => "SError",
        }
    }
}

/// What to do with a fault of our own.
pub type Handler = fn(VectorKind, &OwnFault) -> !;

static HANDLER: Once<Handler> = Once::new();

/// Says who is told. Before that, a core that faults stands still.
pub fn set_handler(handler: Handler) {
    HANDLER.call_once(|| handler);
}

/// Called by the vectors.
pub(crate) extern "C" fn own_fault(fault: &OwnFault, kind: u64) -> ! {
    if let Some(handler) = HANDLER.get() {
        handler(VectorKind::from_vector(kind), fault);
    }
    loop {
        crate::time::wait_for_event();
    }
}
