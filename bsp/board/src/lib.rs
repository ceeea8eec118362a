//! What a board says about itself, and no more.
//!
//! A board crate implements [`Board`], [`Console`] and [`Input`]: where devices are, how bytes leave
//! the machine and come into it, how a run ends. It does not drive the GIC, the timer or the MMU: those are
//! architecture, and `unimux-el2` has them.
#![no_std]
#![forbid(unsafe_code)]

mod gic;

pub use gic::{GicV2, GicV3};

/// A range of physical addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// First byte.
    pub base: u64,
    /// Bytes.
    pub size: u64,
}

impl Range {
    /// The range of `size` bytes at `base`.
    ///
    /// # Panics
    /// If it would go past the end of the address space: a board's own mistake.
    pub const fn new(base: u64, size: u64) -> Self {
        assert!(base.checked_add(size).is_some());
        Self { base, size }
    }

    /// First byte after the range.
    pub const fn end(&self) -> u64 {
        self.base + self.size
    }
}

/// The way out for bytes: guests' consoles, log frames and, when all else fails, plain text.
pub trait Console: Send {
    /// Writes one byte, waiting for room.
    fn write(&mut self, byte: u8);
}

/// The way in for bytes.
pub trait Input: Send {
    /// Has the UART interrupt whenever there is a byte.
    fn listen(&mut self);

    /// Takes the next byte. Once there is none the interrupt is over until one comes.
    fn read(&mut self) -> Option<u8>;
}

/// What can be taken from a board once.
#[derive(Debug)]
pub struct Parts<C, I> {
    /// The console.
    pub console: C,
    /// What is typed.
    pub input: I,
}

/// A board.
pub trait Board {
    /// The driver of its console.
    type Console: Console;

    /// The driver of the way in.
    type Input: Input;

    /// The kind of its interrupt controller: [`GicV2`] or [`GicV3`]. The image has the driver and
    /// the guests' model of that kind alone.
    type Gic;

    /// Its name, as in the folder's name and `--board`.
    const NAME: &'static str;

    /// The level 1 translation table that the entry code turns the MMU on with: 512 blocks of
    /// 1 GiB, identity, of which only the image and the device tree have to be right. Unimux
    /// replaces it by its own map as soon as it knows the machine.
    const ENTRY_TABLE: [u64; 512];

    /// Device registers that Unimux itself uses, page aligned.
    const DEVICES: &'static [Range];

    /// Where the interrupt controller is.
    const GIC: Self::Gic;

    /// INTID of the SPI that the UART of [`Self::Input`] raises.
    const INPUT_INTID: u32;

    /// Where the device tree may be when the loader leaves none in x0.
    const FALLBACK_DEVICE_TREE: Option<u64>;

    /// Takes the board's parts; `None` when they are taken already.
    fn take() -> Option<Parts<Self::Console, Self::Input>>;

    /// The console once more, for the last words of a core that panics: it may interleave with
    /// whatever other cores write.
    fn last_words() -> Self::Console;

    /// Ends the run with an exit code: tells the simulator, if the machine is one, or powers the
    /// machine off.
    fn end_run(code: u8, simulator: bool) -> !;
}

/// Builders of entry-table blocks, and the bits that they share with all of EL2's descriptors (Arm ARM
/// DDI 0487, D8.3.1, stage 1 block descriptors). The attribute indices are those of the entry code:
/// 0 is Device-nGnRE, 1 is Normal write-back.
pub mod entry_table {
    /// Maps something; at the upper levels a block.
    pub const VALID: u64 = 1;
    /// Index 1 of MAIR_EL2.
    pub const WRITE_BACK: u64 = 1 << 2;
    /// AP\[1\], which is one at EL2.
    pub const AP_RES1: u64 = 1 << 6;
    /// Coherent with the other cores.
    pub const INNER_SHAREABLE: u64 = 3 << 8;
    /// The access flag, which nobody sets later.
    pub const ACCESSED: u64 = 1 << 10;
    /// No instruction is fetched from there.
    pub const EXECUTE_NEVER: u64 = 1 << 54;
    const GIB: u64 = 1 << 30;

    /// Block `gib` as device memory, not executable.
    pub const fn device(gib: u64) -> u64 {
        (gib * GIB) | VALID | AP_RES1 | ACCESSED | EXECUTE_NEVER
    }

    /// Block `gib` as normal memory.
    pub const fn normal(gib: u64) -> u64 {
        (gib * GIB) | VALID | AP_RES1 | WRITE_BACK | INNER_SHAREABLE | ACCESSED
    }
}
