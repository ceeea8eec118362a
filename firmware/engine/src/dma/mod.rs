//! What DMA engines have in common: channels, lists, time limits, caches.
//!
//! A [`Channel`] knows the registers of its device and nothing else. [`Channels`] makes an engine of
//! up to eight of them: it hands jobs out, ends those that take too long, and keeps caches right
//! where the device does not see them.
#![forbid(unsafe_code)]

mod channel;
mod channels;
mod descriptors;
mod job;
mod machine;

pub use channel::{Channel, Limits, Piece};
pub use channels::{CHANNELS_MAX, Channels, Settings};
pub use descriptors::Descriptors;
pub use machine::{Machine, Registers};
