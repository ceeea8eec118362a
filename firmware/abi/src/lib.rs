//! Wire format between a guest and the Unimux firmware: the one home of every layout.
//!
//! It moves nothing and checks nothing: who reads a record decides what to believe of it.
//!
//! ```text
//!  guest RAM (cacheable)                               one device page
//!  ┌────────────────────────────┐                     ┌────────────────┐
//!  │ control page               │                     │ doorbell page  │
//!  │   header   (attach)        │ ◀── address ─────── │   control      │
//!  │   commands  ▶ responses    │                     │   ring         │ ◀── "look"
//!  ├────────────────────────────┤                     └────────────────┘
//!  │ send queue, receive queue  │  64-byte work queue entries
//!  │ completion queue           │  32-byte completions, and a consumer record
//!  └────────────────────────────┘
//! ```
//!
//! *Records* are little-endian 64-bit words. The first word of a record is its *head*; the head's
//! lowest bit is the *phase*. Who fills a record writes the other words first and the head last,
//! with release order. The phase of a ring's first lap is 1, over zeroed memory; it toggles with
//! every lap, so a record is new exactly when its phase is that of the reader's lap.
//!
//! Names are those of the InfiniBand Architecture Specification, volume 1 (IBTA), where it has a
//! name for the thing.
#![no_std]
#![forbid(unsafe_code)]

pub mod command;
pub mod completion;
pub mod control;
pub mod counters;
pub mod doorbell;
pub mod limits;
pub mod physical;
pub mod response;
pub mod work;

/// Version of everything in this crate: major in the high half, minor in the low half.
///
/// The firmware serves a driver whose major version is its own; a minor version adds what older
/// drivers can leave alone.
pub const VERSION: u32 = 0x0001_0001;

const _: () = assert!(
    cfg!(target_endian = "little"),
    "records are little-endian words"
);
