//! Configuration registers as this bus has them: where they are, and what they hold.
//!
//! Source: PCI Local Bus Specification 3.0, 6.1 (header type 0), 6.2 (device control and status).

/// Bytes of the header, capabilities included, that is not all zeros. Behind it there is no
/// extended capability, which zeros say (PCI Express Base Specification 3.0, 7.9.3).
pub(crate) const HEADER_WORDS: usize = 24;

/// The number of the word at an offset.
pub(crate) const fn word_at(offset: usize) -> usize {
    offset / 4
}

/// Device and vendor. No vendor has asked PCI-SIG for a number for it; QEMU gives this one to
/// devices that nobody sells.
pub(crate) const VENDOR: u32 = 0x1234;
/// Device: the host bridge.
pub(crate) const BRIDGE: u32 = 0x7562;
/// Device: an RDMA function.
pub(crate) const FUNCTION: u32 = 0x756d;

/// Class, sub-class, interface, revision: host bridge.
pub(crate) const CLASS_BRIDGE: u32 = 0x0600_0000;
/// Class: network controller, InfiniBand (PCI Code and ID Assignment Specification 1.11, 1.3).
pub(crate) const CLASS_INFINIBAND: u32 = 0x0207_0000;

/// Number of the word with status and command.
pub(crate) const COMMAND: usize = word_at(0x04);
/// Number of the word with BAR 0.
pub(crate) const BAR_0: usize = word_at(0x10);
/// Number of the word with the interrupt line.
pub(crate) const INTERRUPT: usize = word_at(0x3c);
/// Where the vendor-specific capability begins.
pub(crate) const CAPABILITY: u32 = 0x40;
/// Its last words: how often the guest's vCPUs have left EL1 in this life, how often of these for
/// their timers (64 bits each, low half first), how many lives there were before, and how often of
/// the exits for an interrupt of the function (64 bits).
pub(crate) const LIFE: usize = word_at(0x50);

/// Command: answers to its memory; reads and writes memory.
pub(crate) const MEMORY_AND_MASTER: u32 = 0b110;
/// Command: keeps its interrupt to itself.
pub(crate) const INTERRUPT_DISABLE: u32 = 1 << 10;
/// Status: it has an interrupt, sent or not.
pub(crate) const INTERRUPT_STATUS: u32 = 1 << 19;
/// Status: there is a list of capabilities.
pub(crate) const CAPABILITIES: u32 = 1 << 20;
/// Interrupt pin: INTA.
pub(crate) const PIN_A: u32 = 1 << 8;

/// Identification of a vendor-specific capability (6.7 and appendix H), the last one, of 44 bytes.
pub(crate) const VENDOR_SPECIFIC: u32 = 0x09 | 44 << 16;
