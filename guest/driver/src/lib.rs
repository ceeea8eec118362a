//! A verbs-like driver for an RDMA function: what a guest calls.
//!
//! It allocates nothing, maps nothing and takes no interrupt: the guest brings memory, a clock and
//! a way to store to the doorbell page, as a [`Platform`].
//!
//! ```text
//!  Device ── control verbs ──▶ command ring ──▶ firmware ──▶ responses ──▶ answers, events
//!    │ create
//!    ├─▶ QueuePair        post ──▶ send queue ──▶ one store to the doorbell page
//!    └─▶ CompletionQueue  poll ◀── completions
//! ```
//!
//! A [`Device`] is for one thread of control at a time; queue pairs and completion queues are
//! values of their own that other CPUs of the guest may use meanwhile. The data path neither
//! waits nor loads from the doorbell page. Every wait of the control path ends: with an answer, or
//! with [`Error::Timeout`]. What the firmware writes is not believed blindly either: a record that
//! makes no sense is an error, never a panic.
//!
//! Names are those of the InfiniBand Architecture Specification, volume 1 (IBTA).
#![no_std]
#![forbid(unsafe_code)]

mod command_ring;
mod completion_queue;
mod device;
mod error;
mod event;
mod memory;
mod objects;
mod physical;
mod platform;
mod queue_pair;
mod request;
mod size;

pub use command_ring::DEFAULT_TIMEOUT_NS;
pub use completion_queue::{Completion, CompletionQueue};
pub use device::{Counters, Device, Limits};
pub use error::Error;
pub use event::Event;
pub use memory::{DmaBlock, Memory};
pub use objects::{MemoryRegion, PageList, Peer, ProtectionDomain, QpOptions, RNR_FOREVER};
pub use physical::{FunctionReport, NewFunction, PhysicalFunction};
pub use platform::Platform;
pub use queue_pair::QueuePair;
pub use request::{RecvWr, Remote, SendWr};
pub use size::{bytes_for_cq, bytes_for_page_list, bytes_for_qp};

pub use unimux_abi::command::{Access, CqFlags, QpState};
pub use unimux_abi::completion::{ArmKind, Detail, Status};
pub use unimux_abi::counters::Counter;
pub use unimux_abi::physical::{
    Limits as RateLimits, Objects, Record as FunctionRecord, State as FunctionState, StopReason,
};
pub use unimux_abi::response::Status as CommandStatus;
pub use unimux_abi::work::{Flags, MAX_INLINE_BYTES, Opcode, Segment};

#[cfg(test)]
mod tests;
