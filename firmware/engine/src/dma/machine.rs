//! What a DMA engine asks of the machine: registers, time, barriers, caches.

use core::ops::Range;

/// A block of 32-bit registers, by offset in bytes. An access is one load or store of a word of
/// device memory, in program order with the others.
pub trait Registers {
    /// Reads a register.
    fn read(&self, offset: usize) -> u32;

    /// Writes a register.
    fn write(&mut self, offset: usize, value: u32);
}

/// The core that drives an engine.
///
/// Ranges are of physical addresses. Maintenance acts on whole lines, on all caches that cores
/// have, and is over when [`to_engine`](Machine::to_engine) has returned.
pub trait Machine {
    /// Time since some moment, in nanoseconds.
    fn now_ns(&self) -> u64;

    /// Bytes of the longest line that any cache writes back at once.
    fn line_bytes(&self) -> u64;

    /// Writes dirty lines of the range back to memory.
    fn clean(&self, range: Range<u64>);

    /// Writes dirty lines of the range back, and forgets all its lines.
    fn clean_and_invalidate(&self, range: Range<u64>);

    /// Forgets the lines of the range, whatever was written to them.
    fn invalidate(&self, range: Range<u64>);

    /// What was written and maintained before is seen by the engine before any register is written
    /// after.
    fn to_engine(&self);

    /// What the engine wrote before the last register was read is seen by what this core reads
    /// after.
    #[expect(
        clippy::wrong_self_convention,
        reason = "a fence, named as its counterpart"
    )]
    fn from_engine(&self);
}
