//! Shared-memory rings against a peer that may lie.
//!
//! A ring knows records of `N` words and their phase bits; what a record means is not its business.
//!
//! ```text
//!   Consumer                         Producer
//!   own index, own lap               own index, own lap
//!   head ──Acquire──▶ mine?          other words ──Relaxed──▶
//!   other words, copied once         head ──Release──▶ phase says "filled"
//! ```
//!
//! **Invariants.** Each side trusts its own index only. A record is copied once, and the copy is
//! what decisions are made on. What the peer writes can make the ring look empty, or full, or
//! broken, and can fill it with nonsense; it cannot move an index or reach outside the ring.
//!
//! All ordering between the two sides of a ring is in this crate. Under `--cfg loom` its atomics
//! are those of the model checker.
#![cfg_attr(not(loom), no_std)]
#![forbid(unsafe_code)]

mod consumer;
mod lap;
mod producer;

pub use consumer::Consumer;
pub use lap::NotARing;
pub use producer::{NoRoom, Producer};

/// The atomics of the rings: the machine's, or the model checker's.
pub mod sync {
    #[cfg(not(loom))]
    pub use core::sync::atomic::{AtomicU64, Ordering, fence};
    #[cfg(loom)]
    pub use loom::sync::atomic::{AtomicU64, Ordering, fence};
}

/// A record of `N` words in memory that both sides can write.
pub type Line<const N: usize> = [sync::AtomicU64; N];

/// The bit of a head that says whose turn a record is.
pub const PHASE: u64 = 1;

/// Makes every store of this core visible before any load after it is carried out.
///
/// What a wake-up protocol needs on both sides: store a completion, *fence*, look whether the
/// peer sleeps; and: say that one sleeps, *fence*, look for a completion. Acquire and release do
/// not order a store before a later load (Arm ARM DDI 0487, B2.3: that takes a full `DMB`).
pub fn store_then_load() {
    sync::fence(sync::Ordering::SeqCst);
}
