//! The doorbell page: the one page of a function that is not ordinary memory.
//!
//! Stores only: the firmware answers in the guest's memory, never here.
//!
//! The page is 4 KiB. Offsets not named here are ignored when written.

/// Size of the page in bytes.
pub const PAGE_BYTES: u64 = 4096;

/// Offset of the *ring* word: 64 bits, stored whole.
///
/// Any value that differs from the last one asks the firmware to look at the function's send
/// queues, all of them: one ring may hide another that the firmware has not seen. [`ring_value`]
/// makes a value that never repeats.
pub const RING: u64 = 0x000;

/// Offset of the *control* word: the IPA of the control page, stored before the commands word to
/// attach.
///
/// A function that is attached already is attached *anew* when a ring for the command ring finds
/// another value here, or finds the answer of the control page zeroed: all that was made since it
/// was attached is taken back, and the page is answered when nothing of it is in flight any more.
/// So a guest's next program can begin where the last one was killed, and whoever frees the memory
/// of the last one attaches first.
pub const CONTROL: u64 = 0x008;

/// Offset of the *commands* word: 64 bits, stored whole.
///
/// Any value that differs from the last one asks the firmware to look at the function's command
/// ring, or at its control page if it is not attached. It is apart from the ring word because the
/// firmware looks at it more rarely while data waits: commands never hold up data.
pub const COMMANDS: u64 = 0x010;

/// A value for the ring word that no other ring of the function repeats.
///
/// `source` tells apart which queue rings (two CPUs of a guest may ring at the same time without a
/// lock), `count` how often it has rung.
#[must_use]
pub const fn ring_value(source: u32, count: u32) -> u64 {
    (source as u64) << 32 | count as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_sources_never_ring_alike() {
        assert_ne!(ring_value(0, 1), ring_value(1, 0));
        assert_eq!(ring_value(u32::MAX, u32::MAX), u64::MAX);
    }
}
